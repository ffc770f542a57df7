"""Whatever the program is started from, the same job gives the same bytes in the place it names."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from endings import ROOT, nothing_half_written, render, run, small_job, write_yaml
from program import output_bytes

JOB = small_job(prompts=["a red star", "zwei Kreise — 東京"])


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The output of JOB, started in the usual way."""
    folder = tmp_path_factory.mktemp("usual")
    assert render(JOB, folder).code == 0
    return output_bytes(folder / "out")


def shell(script: str) -> list[str]:
    """Starts the program behind this."""
    return ["bash", "-c", f'{script}; exec "$@"', "bash"]


STREAMS = {
    "no stdin": "exec <&-",
    "no stdout": "exec >&-",
    "no stderr": "exec 2>&-",
    "no streams": "exec <&- >&- 2>&-",
    "full stdout": "exec >/dev/full",
    "full stderr": "exec 2>/dev/full",
    "broken stdout": "exec > >(exec true); sleep 0.1",
    "broken stderr": "exec 2> >(exec true); sleep 0.1",
    "broken both": "exec > >(exec true) 2>&1; sleep 0.1",
    "broken and ignored": "trap '' PIPE; exec 2> >(exec true); sleep 0.1",
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("streams", STREAMS)
def test_nobody_listens(
    streams: str, ranks: int, usual: dict[str, bytes], tmp_path: Path
) -> None:
    """A reader that goes away, as at the end of `| head`, must not cost the pictures."""
    ending = render(JOB, tmp_path, ranks, within=shell(STREAMS[streams]))
    lost = "stdout" in streams or "both" in streams or streams == "no streams"
    assert ending.code in ((0, 74) if lost else (0,)), ending.stderr  # where they are is not told
    assert output_bytes(tmp_path / "out") == usual
    assert (tmp_path / "out" / "report.json").exists()
    nothing_half_written(tmp_path)


@pytest.mark.parametrize("streams", ["no stderr", "full stderr", "broken stderr", "no streams"])
def test_a_mistake_that_nobody_hears(streams: str, tmp_path: Path) -> None:
    """The exit code says it all the same."""
    ending = render(small_job(model=None), tmp_path, within=shell(STREAMS[streams]))
    assert (ending.code, ending.stderr) == (78, "")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
@pytest.mark.parametrize("streams", ["no stdout", "full stdout"])
def test_data_that_cannot_be_told(streams: str, arguments: list[str]) -> None:
    """Half a table on a full disk is no success."""
    model = str(ROOT / "demo" / "sd3")
    run(["inspect", model, *arguments], within=shell(STREAMS[streams])).says(74)


ENVIRONMENTS: dict[str, list[str]] = {
    "no home": ["env", "-u", "HOME"],
    "no terminal": ["env", "-u", "TERM"],
    "odd terminal": ["env", "TERM=nonsense", "COLUMNS=0"],
    "no path": ["env", "-u", "PATH"],
    "C": ["env", "-u", "LANG", "LC_ALL=C"],
    "C.UTF-8": ["env", "LC_ALL=C.UTF-8"],
    "no such locale": ["env", "LC_ALL=nonsense"],
    "home is a file": ["env", "HOME=/dev/null", "HF_HOME=/dev/null"],
}


@pytest.mark.parametrize(
    ("ranks", "environment"),
    [(1, name) for name in ENVIRONMENTS] + [(2, "no home"), (2, "no terminal"), (2, "C")],
)
def test_environments(
    ranks: int, environment: str, usual: dict[str, bytes], tmp_path: Path
) -> None:
    ending = render(JOB, tmp_path, ranks, within=ENVIRONMENTS[environment])
    assert ending.code == 0, ending.stderr
    assert ending.stdout == f"{tmp_path / 'out'}\n"
    assert output_bytes(tmp_path / "out") == usual


@pytest.fixture(scope="module")
def comma(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A locale that writes one half as 0,5."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    subprocess.run(command, check=True, capture_output=True)  # of the packages that set-up brings
    locale = {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}
    point = ["locale", "decimal_point"]
    assert subprocess.check_output(point, env=os.environ | locale, text=True) == ",\n"
    return locale


def test_numbers_with_a_comma(
    comma: dict[str, str], usual: dict[str, bytes], tmp_path: Path
) -> None:
    assert render(JOB, tmp_path, environment=comma).code == 0
    assert output_bytes(tmp_path / "out") == usual


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_working_directory_that_cannot_be_written(
    ranks: int, usual: dict[str, bytes], tmp_path: Path
) -> None:
    arguments = ["render", str(write_yaml(JOB, tmp_path))]
    assert run(arguments, ranks, folder=Path("/proc")).code == 0
    assert output_bytes(tmp_path / "out") == usual


def test_a_working_directory_that_is_gone(usual: dict[str, bytes], tmp_path: Path) -> None:
    """The job's paths do not need it; what does is to say so."""
    gone = tmp_path / "gone"
    ending = render(JOB, tmp_path, within=shell(f"mkdir {gone}; cd {gone}; rmdir {gone}"))
    if ending.code == 0:
        assert output_bytes(tmp_path / "out") == usual
    else:
        assert len(ending.messages) == 1, f"exit {ending.code}\n{ending.stderr}"


@pytest.mark.parametrize(
    ("ranks", "name"),
    [(1, "two words"), (1, "Bilder — 東京"), (1, "'quoted\" $HOME *"), (1, "a\nline"), (2, "é ö")],
)
def test_names_of_folders(ranks: int, name: str, usual: dict[str, bytes], tmp_path: Path) -> None:
    """The job, its prompts and its output all stand below it."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "my prompts.txt").write_text("\n".join(JOB["prompts"]) + "\n")
    job = JOB | {"prompts": None, "dataset": {"path": "my prompts.txt"}}
    job = {key: value for key, value in job.items() if value is not None}
    ending = render(job | {"output": {"path": "my pictures"}}, folder, ranks)
    assert ending.code == 0, ending.stderr
    assert ending.stdout == f"{folder / 'my pictures'}\n"
    assert output_bytes(folder / "my pictures") == usual


@pytest.mark.parametrize("path", ["out", "./out", "../job/out/", "new/folders/out"])
def test_paths_are_relative_to_the_job_file(
    path: str, usual: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "job").mkdir()
    write_yaml(JOB | {"output": {"path": path}}, tmp_path / "job")
    shutil.copytree(ROOT / "demo" / "sd3", tmp_path / "model")
    arguments = ["render", "job/job.yaml", "--set", "model.path=../model"]
    assert run(arguments, folder=tmp_path).code == 0
    made = output_bytes(tmp_path / "job" / path)
    assert {name: made[name].count(b"../model") for name in made if name.endswith(".jsonl")} == {
        "metadata.jsonl": 2
    }
    assert made.keys() == usual.keys()
    assert {file.name for file in tmp_path.iterdir()} == {"job", "model"}


@pytest.mark.parametrize("end", ["", "/deep/down"])
def test_an_output_through_a_link(end: str, usual: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    job = JOB | {"output": {"path": f"link{end}"}}
    assert render(job, tmp_path).code == 0
    assert (tmp_path / "link").is_symlink()
    assert output_bytes(tmp_path / f"disk{end}") == usual
    assert "nothing to do" in render(job, tmp_path).stderr


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Of folders and files."""
    all_of_it = [folder, *folder.rglob("*")]
    return {(each.is_dir(), stat.S_IMODE(each.stat().st_mode)) for each in all_of_it}


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o022, 0o002])
def test_the_umask_holds(mask: int, tmp_path: Path) -> None:
    job: dict[str, Any] = JOB | {"output": {"path": "out", "shard_size": 1}}
    assert render(job, tmp_path, within=shell(f"umask {mask:03o}")).code == 0
    assert modes(tmp_path / "out") == {(True, 0o777 & ~mask), (False, 0o666 & ~mask)}


def test_a_checkpoint_that_cannot_be_written(usual: dict[str, bytes], tmp_path: Path) -> None:
    """It is read only: nothing is cached, converted or locked beside it."""
    shutil.copytree(ROOT / "demo" / "sd3", tmp_path / "model")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "model").rglob("*")}
    assert render(JOB | {"model": {"path": "model"}}, tmp_path).code == 0
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "model").rglob("*")} == before
    pictures = {name: file for name, file in usual.items() if name.endswith(".png")}
    assert output_bytes(tmp_path / "out").keys() >= pictures.keys()
