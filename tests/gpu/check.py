"""Runs everything that needs a GPU and writes the page about it: see tests/gpu/run.

    .venv/bin/python tests/gpu/check.py --build build --write docs/gpu.md [--device cuda]
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from page import (BENCHMARK, DTYPES, FAMILIES, NOT_RUN, RANKS, TRANSPORT, Check, Findings, page,
                  timing)

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
MPIRUN = ("mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "self,vader",
          "--mca", "btl_vader_single_copy_mechanism", "none")
MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MEAN_PIXEL, LARGEST_PIXEL = 0.1, 8  # of a whole job: twenty steps add up roundings
TAIL = 20  # lines of what a failed check said


def run(command: list, limit: float, **environment: str) -> subprocess.CompletedProcess[str]:
    """Its exit code, stdout and stderr; 124 if it took too long."""
    print("==", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run([str(word) for word in command], cwd=ROOT, text=True, timeout=limit,
                              capture_output=True, env=os.environ | environment, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 124, "", f"not done after {limit:g} s")
    if done.returncode != 0:
        print(f"exit {done.returncode}", *done.stderr.splitlines()[-TAIL:], sep="\n   ",
              file=sys.stderr)
    return done


def why(done: subprocess.CompletedProcess[str]) -> str:
    """The first line of an error, as a cell of a table."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")] or ["no message"]
    return f"exit {done.returncode}: {lines[0][:200]}".replace("|", "\\|")


def components(build: pathlib.Path, device: str) -> Iterator[tuple[str, Check]]:
    for family in FAMILIES:
        done = run([build / "tests/gpu_parity", DEMO / family, device], 300, **NO_TF32)
        for line in done.stdout.splitlines():
            part = json.loads(line)
            yield f"{family}: {part['part']}", Check(
                "passed" if part["good"] else "FAILED",
                f"{part['apart']:.1e} (bar {part['bar']:g})")
        if done.returncode > 1:
            yield f"{family}: text encoders", Check("FAILED", why(done))


def jobs(build: pathlib.Path, device: str) -> Iterator[tuple[str, Check]]:
    for family in FAMILIES:
        yield f"{family}: demo job, one rank", job(build, family, device)


def job(build: pathlib.Path, family: str, device: str) -> Check:
    pictures = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, place in enumerate((device, "cpu")):
            out = pathlib.Path(scratch) / str(number)
            settings = ("layout=auto", f"device={place}", "model.dtype=float32",
                        f"output.path={out}")
            done = run([build / "trireme", "render", DEMO / "jobs" / f"{family}.yaml",
                        *(word for setting in settings for word in ("--set", setting))],
                       600, **NO_TF32)
            if done.returncode != 0:
                return Check("FAILED", why(done))
            pictures.append(np.stack([np.asarray(Image.open(file)).astype(float)
                                      for file in sorted(out.glob("*.png"))]))
    apart = np.abs(pictures[0] - pictures[1])
    good = apart.mean() <= MEAN_PIXEL and apart.max() <= LARGEST_PIXEL
    return Check("passed" if good else "FAILED", f"mean {apart.mean():.4f} (bar {MEAN_PIXEL}), "
                 f"largest {apart.max():.0f} (bar {LARGEST_PIXEL})")


def transport(build: pathlib.Path) -> Iterator[tuple[str, Check]]:
    *suites, failure = TRANSPORT
    if shutil.which("mpirun") is None:
        yield from ((name, Check(NOT_RUN, "no mpirun on the PATH")) for name in TRANSPORT)
        return
    for name, ranks in zip(suites, RANKS, strict=True):
        done = run([*MPIRUN, "-n", ranks, build / "tests/gpu_nccl", "--gtest_color=no"], 600,
                   **MPI_AS_ROOT)
        tests = [line for line in done.stdout.splitlines() if "PASSED" in line]
        yield name, (Check("passed", tests[-1].split("]")[-1].strip(" .")) if done.returncode == 0
                     and tests else Check("FAILED", why(done)))
    done = run([*MPIRUN, "-n", 2, build / "tests/gpu_nccl_failure"], 120, **MPI_AS_ROOT)
    told = "step 7: all_reduce on 2 ranks waited 5" in done.stderr
    yield failure, (Check("passed", "exit 75, and the operation is named")
                    if done.returncode == 75 and told else Check("FAILED", why(done)))


def seconds(build: pathlib.Path, device: str) -> Iterator[tuple[str, dict[str, float]]]:
    sys.path.insert(0, str(ROOT / "tests/bench"))
    from cases import CASES, checkpoint
    from sides import Setting, Trireme

    for case in (case for case in CASES if case.name in BENCHMARK):
        with tempfile.TemporaryDirectory() as scratch:
            model = checkpoint(case, pathlib.Path(scratch) / "model")
            for dtype in DTYPES:
                side = Trireme(build / "trireme", case, model, pathlib.Path(scratch) / dtype,
                               Setting(dtype, torch.get_num_threads(), False, device))
                try:
                    yield timing(case.name, dtype), side().seconds
                except (subprocess.CalledProcessError, OSError) as error:
                    print(f"[gpu] {case.name}, {dtype}: {error}", file=sys.stderr)


def about() -> Findings:
    commit = run(["git", "describe", "--always", "--dirty"], 20).stdout.strip()
    smi = run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], 60)
    name, _, driver = (smi.stdout.splitlines() or ["a GPU, unknown"])[0].partition(", ")
    count = max(1, len(smi.stdout.splitlines()))
    nccl = ".".join(map(str, torch.cuda.nccl.version()))
    return Findings(when=f"{datetime.date.today():%Y-%m-%d}", commit=commit or "unknown",
                    gpu=f"{count} x {name}", versions=f"driver {driver}, torch "
                    f"{torch.__version__}, NCCL {nccl}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--write", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    build = options.build.resolve()
    probe = run([build / "tests/gpu_parity", DEMO / "sd3", options.device], 300)
    if probe.returncode == 69:  # the driver shows none to this process
        return 69
    found = about()
    found.checks |= dict(components(build, options.device))
    found.checks |= dict(jobs(build, options.device))
    found.checks |= dict(transport(build))
    found.seconds |= dict(seconds(build, options.device))
    options.write.write_text(page(found))
    print(found.to_json())
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
