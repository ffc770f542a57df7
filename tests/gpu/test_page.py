"""The page about GPUs says what ran and what did not, and is left alone where there is no GPU."""

import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from page import MODELS, TRANSPORT, Check, Findings, page  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "gpu.md"


def canned() -> Findings:
    return Findings(
        when="2026-11-28", commit="b7fa20f", gpu="2 x NVIDIA H200",
        versions="driver 580.1, torch 2.11.0, NCCL 2.28.9",
        checks={"sd3: VAE": Check("passed", "3.1e-06 (bar 0.0001)"),
                "pixart: transformer": Check("FAILED", "2.0e-02 (bar 0.0001)"),
                "collectives on 2 ranks": Check("passed", "22 tests")},
        seconds={"sd3 demo, bfloat16": {"encode": 0.01, "denoise": 0.25, "decode": 0.002}})


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |"))


def test_it_says_where_and_when_and_what_ran():
    text = page(canned())
    assert "Written on 2026-11-28 by commit b7fa20f, on 2 x NVIDIA H200, with driver 580.1" in text
    assert row(text, "sd3: VAE") == "| sd3: VAE | passed | 3.1e-06 (bar 0.0001) |"
    assert row(text, "pixart: transformer").split(" | ")[1] == "FAILED"
    assert "| sd3 demo | bfloat16 | 0.0100 | 0.2500 | 0.0020 |" in text
    assert "Nothing has run" not in text


def test_what_did_not_run_is_marked_so():
    text = page(canned())
    assert row(text, "collectives on 3 ranks") == "| collectives on 3 ranks | not run |  |"
    assert "| sd3 demo | float32 | not run | not run | not run |" in text


def test_findings_survive_json():
    assert Findings.of_json(canned().to_json()) == canned()
    assert canned().failed and not Findings().failed


def test_without_findings_the_page_promises_nothing():
    text = page(Findings())
    assert "**Nothing has run on a GPU yet.**" in text
    assert all(row(text, name).endswith("| not run |  |") for name in MODELS + TRANSPORT)
    assert "passed" not in text


def test_the_page_of_the_repository_is_one_of_the_writers():
    """Not edited by hand: it is the empty page, or names the GPU that it was written on."""
    text = PAGE.read_text()
    assert text == page(Findings()) or "Written on " in text


def test_without_a_gpu_it_says_so_and_leaves_the_page_alone(tmp_path):
    """Also where there is one: no device is shown, and the tool that lists them finds none."""
    lister = tmp_path / "nvidia-smi"
    lister.write_text("#!/bin/sh\nexit 0\n")
    lister.chmod(0o755)
    hidden = {"TRIREME_DEVICES": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    before = PAGE.read_bytes()
    done = subprocess.run([ROOT / "tests/gpu/run"], capture_output=True, text=True, timeout=60,
                          check=False, env=os.environ | hidden)
    assert done.returncode == 69, done.stderr
    assert done.stderr.startswith("[gpu] no /dev/nvidia0, and nvidia-smi shows none -> ")
    assert PAGE.read_bytes() == before


def test_a_gpu_that_the_driver_hides_is_none(tmp_path):
    """The probe asks the driver itself, whatever nvidia-smi shows."""
    build = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))
    written = tmp_path / "gpu.md"
    done = subprocess.run(
        [sys.executable, ROOT / "tests/gpu/check.py", "--build", build, "--write", written],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 69, done.stderr
    assert "[device] cuda -> a GPU that the driver shows -> " in done.stderr
    assert not written.exists()


def test_components_compared_with_themselves_are_equal():
    """The comparison runs: on the CPU twice nothing is apart."""
    sys.path.insert(0, str(ROOT / "tests/gpu"))
    from check import components

    build = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))
    found = dict(components(build, "cpu"))
    assert list(found) == MODELS
    assert {check.outcome for check in found.values()} == {"passed"}
    assert all(check.figures.startswith("0.0e+00 ") for check in found.values())


def test_without_mpirun_the_transport_is_not_run(monkeypatch):
    from check import transport

    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = dict(transport(pathlib.Path("build")))
    assert list(found) == TRANSPORT
    assert {check.outcome for check in found.values()} == {"not run"}
