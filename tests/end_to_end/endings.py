"""Runs of the program that are to go wrong: how they end, what they say, and what they leave."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from program import PROGRAM, ROOT, TIME_LIMIT, read_pixels

SECONDS_TO_END = 5.0  # from a failure to the end of the last rank
SECONDS_TO_TELL = 2.0  # rank 0 speaks at once, the others after this long
# `[place] value -> requirement`, after the rank, and the file and line or --set, it is about.
MESSAGE = re.compile(
    r"^(rank \d+ of \d+ \(\S+\): )?(.*:\d+:\d+: |--set .*?: )?\[[^\]]+\] .+ -> .+$", re.MULTILINE
)
LIMITED = 'ulimit -f "$0"; exec "$@"'  # $0 blocks of 512 bytes


def small_job(demo: str = "sd3", **changes: Any) -> dict[str, Any]:
    """A demo checkpoint at the smallest size; a change of None takes a key away."""
    sampling = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 3.0}
    if demo == "pixart":
        sampling |= {"use_resolution_binning": False}
    job = {
        "version": 1,
        "device": "cpu",
        "threads": 1,
        "model": {"path": str(ROOT / "demo" / demo)},
        "prompts": ["a red star"],
        "sampling": sampling,
        "output": {"path": "out"},
    }
    return {key: value for key, value in (job | changes).items() if value is not None}


def write_yaml(job: dict[str, Any] | str | bytes, folder: Path) -> Path:
    """FOLDER/job.yaml, a line for each value, as people write it."""
    text = yaml.safe_dump(job, sort_keys=False) if isinstance(job, dict) else job
    file = folder / "job.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@dataclass(frozen=True)
class Ending:
    """How a run ended. `seconds` counts from its start, `told` is when its message came."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    told: float | None

    @property
    def messages(self) -> list[str]:
        return [found.group() for found in MESSAGE.finditer(self.stderr)]

    def says(self, code: int, *parts: str) -> "Ending":
        """It ended with this code and one message, which holds these parts."""
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stderr}"
        assert len(self.messages) == 1, f"{len(self.messages)} messages\n{self.stderr}"
        for part in parts:
            assert part in self.messages[0], f"without {part!r}\n{self.stderr}"
        return self


@dataclass
class Running:
    """The program under way, alone or under mpirun, with every process that it brought along."""

    arguments: list[str]
    ranks: int = 1
    blocks: int | None = None  # no file may grow beyond so many blocks of 512 bytes
    within: list[str] = field(default_factory=list)  # a command that each rank is started by
    folder: Path | None = None  # to work in
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._mark = f"TRIREME_TEST={uuid.uuid4()}"
        name, value = self._mark.split("=")
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self.begun = time.monotonic()
        self._told: float | None = None
        self._stderr: list[str] = []
        self.process = subprocess.Popen(
            self._command(),
            cwd=self.folder,
            env=os.environ | root | {"OMP_NUM_THREADS": "1", name: value} | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _command(self) -> list[str]:
        launcher = ["mpirun", "--oversubscribe", "-n", str(self.ranks)] if self.ranks > 1 else []
        if self.blocks is not None:  # of the ranks, not of mpirun; their shared memory is a file
            tcp = ["--mca", "btl", "self,tcp"] if launcher else []
            launcher += [*tcp, "sh", "-c", LIMITED, str(self.blocks)]
        return [*launcher, *self.within, str(PROGRAM), *self.arguments]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if self._told is None and MESSAGE.match(line):
                self._told = time.monotonic() - self.begun
            self._stderr.append(line)

    def processes(self) -> dict[int, int]:
        """The rank by process id (-1 for mpirun) of all that are alive."""
        alive = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                values = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # ended meanwhile, or somebody else's
                continue
            if self._mark in values:
                given = dict(value.split("=", 1) for value in values if "=" in value)
                alive[int(folder.name)] = int(given.get("OMPI_COMM_WORLD_RANK", -1))
        return alive

    def wait_for(self, sign: Callable[[], bool], limit: float = 60.0) -> None:
        """Waits until something is seen of it, which must be before its end."""
        deadline = time.monotonic() + limit
        while not sign():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise AssertionError("no sign\n" + "".join(self._stderr))
            time.sleep(0.002)

    def end(self) -> None:
        """Ends all of it at once."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):  # ended meanwhile
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def ending(self, limit: float = TIME_LIMIT) -> Ending:
        """Waits for the end, of which nothing may be left."""
        try:
            code = self.process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            self.end()
            raise
        seconds = time.monotonic() - self.begun
        self._reader.join(timeout=SECONDS_TO_END)
        assert self.processes() == {}, "processes are left"
        assert self.process.stdout is not None and self.process.stderr is not None
        stdout = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return Ending(code, stdout, "".join(self._stderr), seconds, self._told)


def run(arguments: list[str], ranks: int = 1, **options: Any) -> Ending:
    return Running(arguments, ranks, **options).ending()


def render(job: dict[str, Any] | str | bytes, folder: Path, ranks: int = 1, **options: Any) -> Ending:
    return run(["render", str(write_yaml(job, folder))], ranks, **options)


def ends_soon(ending: Ending) -> None:
    """All ranks were gone in time, counted from the failure, which is told this much later."""
    assert ending.told is not None
    assert ending.seconds - ending.told < SECONDS_TO_END - SECONDS_TO_TELL


def samples(folder: Path) -> list[str]:
    """The names under which somebody would look for a sample, of any arrangement."""
    endings = {".png", ".jpg", ".webp", ".safetensors", ".tar"}
    named = [f for f in folder.rglob("*") if f.stem.isdecimal() and f.suffix in endings]
    return sorted(str(f.relative_to(folder)) for f in named)


def leftovers(folder: Path) -> list[str]:
    """Files that were begun and not finished."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if ".tmp-" in f.name)


def nothing_half_written(folder: Path, writers: int = 1) -> None:
    """What has a sample's name can be opened, and nothing begun is left beside it.

    Of several ranks that write, one that fails has the others ended while they do: what they had
    begun stays under a hidden name until the next run.
    """
    for sample in samples(folder):
        if sample.endswith(".png"):
            read_pixels(folder / sample)
    assert writers > 1 or leftovers(folder) == []


def nothing_made(folder: Path, writers: int = 1) -> None:
    assert samples(folder) == []
    nothing_half_written(folder, writers)


def ends_cleanly(ending: Ending, code: int, *parts: str, folder: Path, writers: int = 1) -> None:
    """One message, however many ranks; all ended in time; nothing is half-written."""
    ends_soon(ending.says(code, *parts))
    nothing_half_written(folder, writers)
