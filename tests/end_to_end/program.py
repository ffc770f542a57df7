"""Runs the program on a job and reads what it wrote."""

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TRIREME", ROOT / "build" / "trireme"))
TIME_LIMIT = 300  # seconds: a run that hangs is a failure, not a longer test

Job = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run: its exit code, its output folder, and what it said."""

    code: int
    folder: Path
    stdout: str
    stderr: str

    @property
    def ok(self) -> "Run":
        assert self.code == 0, f"exit {self.code}\n{self.stderr}"
        return self

    def latents(self, index: int) -> torch.Tensor:
        return read_tensors(self.folder / f"{index:08}.safetensors")["latents"]

    def pixels(self, index: int) -> np.ndarray:
        return read_pixels(self.folder / f"{index:08}.png")


def write_job(job: Job, folder: Path) -> Path:
    """FOLDER/job.yaml, which renders into FOLDER/out if it does not say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    output = {"path": "out", "format": "png"} | job.get("output", {})
    text = {"version": 1, "device": "cpu", "threads": 1} | job | {"output": output}
    file = folder / "job.yaml"
    file.write_text(json.dumps(text, ensure_ascii=False))  # JSON is YAML
    return file


def render(job: Job, folder: Path, ranks: int = 1, arguments: list[str] | None = None) -> Run:
    file = write_job(job, folder)
    done = trireme(["render", str(file), *(arguments or [])], ranks)
    output = folder / job.get("output", {}).get("path", "out")
    return Run(done.returncode, output, done.stdout, done.stderr)


def start(arguments: list[str], ranks: int = 1) -> subprocess.Popen[str]:
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
    environment = os.environ | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [*launcher, str(PROGRAM), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trireme(arguments: list[str], ranks: int = 1) -> subprocess.CompletedProcess[str]:
    with start(arguments, ranks) as running:
        try:
            stdout, stderr = running.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            running.terminate()  # mpirun ends its ranks
            raise
    return subprocess.CompletedProcess(arguments, running.returncode, stdout, stderr)


def seconds_of_children() -> float:
    """Of all processes that have ended: what they worked, whatever else the machine did."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    with safe_open(file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}


def read_pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        assert image.mode == "RGB"
        return np.array(image)


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, as a part of the spread."""
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.std()).item()


def report(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "report.json").read_text())


def output_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of an output but those that tell of the run."""
    told = {"job.json", "report.json", "report.html", "logs", "metrics", ".trireme"}
    files = [file for file in folder.rglob("*") if file.is_file()]
    names = {file: file.relative_to(folder) for file in files}
    return {str(n): f.read_bytes() for f, n in names.items() if n.parts[0] not in told}
