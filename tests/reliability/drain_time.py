"""How long a run takes from the wish to stop until all of it is on the disk.

    .venv/bin/python tests/reliability/drain_time.py --runs 10

Each run is told at a random moment, once by a signal to its launcher that leaves no time for the
batch in flight, which is dropped after its step, once by one that leaves time to finish it. What is
measured ends with the last `run_ended` in the logs. A batch here takes as long as is printed.
"""

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "end_to_end")]

from endings import Running, samples, small_job, write_yaml

DRAINED = 85
SAMPLING = {"height": 128, "width": 128, "num_inference_steps": 10, "guidance_scale": 3.0}
LAYOUTS: dict[str, tuple[int, dict[str, Any]]] = {
    "one rank": (1, {}),
    "two replicas": (2, {"replicas": 2}),
    "two stages": (2, {"transformer": {"ranks": "all", "pipeline": 2}}),
}


def events(out: Path, name: str) -> list[dict[str, Any]]:
    lines = [line for log in out.glob("logs/*.jsonl") for line in log.read_text().splitlines()]
    return [event for event in map(json.loads, lines) if event["event"] == name]


def drained(layout: str, grace: float, rng: random.Random, folder: Path) -> tuple[float, float]:
    """Seconds until all was on the disk, and those that a batch took before."""
    ranks, split = LAYOUTS[layout]
    prompts = [f"a red star {number}" for number in range(400)]
    job = small_job(prompts=prompts, sampling=SAMPLING, layout=split | {"batch_size": 2})
    arguments = ["render", "--quiet", "--grace", str(grace), str(write_yaml(job, folder))]
    running = Running(arguments, ranks)
    out = folder / "out"
    while len(samples(out)) < 8:
        time.sleep(0.01)
    begun, before = time.monotonic(), len(samples(out))
    time.sleep(rng.uniform(1, 2))
    batch = 2 * (time.monotonic() - begun) / max(1, len(samples(out)) - before)
    told = time.time()
    running.process.send_signal(signal.SIGUSR1)
    code = running.ending(limit=60).code
    assert code == DRAINED, f"exit {code}"
    ends = [datetime.fromisoformat(event["time"]).timestamp() for event in events(out, "run_ended")]
    assert len(ends) == ranks, "a rank did not say that it ended"
    return max(ends) - told, batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="of each layout and grace")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for layout in LAYOUTS:
        for what, grace in {"dropped": 0.001, "finished": 30}.items():
            seconds, batches = [], []
            for _ in range(arguments.runs):
                with tempfile.TemporaryDirectory() as folder:
                    taken, batch = drained(layout, grace, rng, Path(folder))
                seconds.append(taken)
                batches.append(batch)
            print(f"{layout}, batch {what}: median {statistics.median(seconds):.3f} s, "
                  f"at most {max(seconds):.3f} s; a batch took {statistics.median(batches):.3f} s")


if __name__ == "__main__":
    main()
