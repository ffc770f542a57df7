"""How fast rows go through a job whose model costs nothing, in how much memory, and how soon a
killed one goes on. Everything but the model is the program's own (null_model.cpp).

    .venv/bin/python tests/reliability/null_model.py --rows 1000000

With --side, how many pictures of that size, as hard to compress as photographs, are written a second.

    .venv/bin/python tests/reliability/null_model.py --rows 400 --side 1024
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))
JOB = """version: 1
model: {path: %s, components: {text_encoder_3: null}}
dataset: {path: rows.txt}
sampling: {height: 32, width: 32, num_inference_steps: 1, guidance_scale: 1.0}
layout: {batch_size: 256}
output: {path: out, container: %s, shard_size: 10000}
"""


@dataclass(frozen=True)
class Figures:
    rows_a_second: float
    growth_bytes: int  # of the process, from the middle row to the last
    seconds_to_go_on: float  # of a job killed in the middle, until a row is taken
    seconds_when_done: float  # of a whole one that is started again

    def __str__(self) -> str:
        return (
            f"{self.rows_a_second:.0f} rows/s, {self.growth_bytes / 1e6:.1f} MB more from the "
            f"middle row to the last, goes on {self.seconds_to_go_on:.2f} s after a kill, "
            f"{self.seconds_when_done:.2f} s when all is done"
        )


def launch(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [BUILD / "tests" / "null_model", folder / "job.yaml", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = process.communicate()
    assert process.returncode == 0, f"null_model ended with {process.returncode}"
    return json.loads(told)


def killed_in_the_middle(folder: Path, rows: int) -> None:
    """Once half of the shards are there."""
    process = launch(folder)
    while len(list((folder / "out").glob("0*.json"))) < rows // 10000 / 2:
        assert process.poll() is None, "ended before half of its shards were seen"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def write_job(rows: int, container: str, folder: Path) -> None:
    (folder / "rows.txt").write_text("".join(f"a red star, number {n}\n" for n in range(rows)))
    (folder / "job.yaml").write_text(JOB % (ROOT / "demo" / "sd3", container))


def pictures_a_second(side: int, rows: int, container: str, folder: Path) -> float:
    """Of a replica that makes them in no time, so that it waits for its writing threads."""
    write_job(rows, container, folder)
    size = [f"sampling.height={side}", f"sampling.width={side}", "layout.batch_size=4"]
    size.append("model.components.transformer={position_table: extend}")
    whole = finish(launch(folder, "--photograph", *size))
    return rows / whole["seconds"]


def measure(rows: int, container: str, folder: Path) -> Figures:
    write_job(rows, container, folder)
    whole = finish(launch(folder))
    begun = time.monotonic()
    again = finish(launch(folder))
    seconds_when_done = time.monotonic() - begun
    assert (whole["rows"], again["rows"]) == (rows, 0)
    (folder / "out").rename(folder / "whole")
    killed_in_the_middle(folder, rows)
    rest = finish(launch(folder))
    assert 0 < rest["rows"] < rows
    same = ["diff", "-r", "-x", ".trireme", "-x", "logs", "-x", "metrics", "whole", "out"]
    assert subprocess.run(same, cwd=folder).returncode == 0, "not the dataset of an undisturbed run"
    return Figures(
        rows / whole["seconds"],
        whole["bytes"] - whole["bytes_at_half"],
        rest["until_first"],
        seconds_when_done,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--container", choices=["folder", "webdataset"], default="webdataset")
    parser.add_argument("--side", type=int, help="of pictures, in pixels")
    parser.add_argument("--on", type=Path, help="a folder to work in: another disk, /dev/shm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.on) as folder:
        rows, container, place = arguments.rows, arguments.container, Path(folder)
        if arguments.side:
            rate = pictures_a_second(arguments.side, rows, container, place)
            print(f"{rate:.1f} pictures/s of {arguments.side} x {arguments.side} pixels")
        else:
            print(measure(rows, container, place))


if __name__ == "__main__":
    main()
