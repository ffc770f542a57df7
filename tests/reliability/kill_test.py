"""Kills a rendering job again and again and holds what it makes against an undisturbed run.

    .venv/bin/python tests/reliability/kill_test.py --kills 1000 --seed 1 --container folder

Each kill hits one rank, all ranks, the launcher or, of two launches on one folder, one whole
launch; at the start, in the middle, while a shard is sealed or at the very end. The same command
runs again until the dataset is done, then another one begins, until there were enough kills.
Exits 1 at the first broken promise, with the folder kept.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "end_to_end")]

import output_state
from endings import Running, small_job, write_yaml
from observer import Observer

SAMPLING = {
    "height": 32,
    "width": 32,
    "guidance_scale": 1.0,
    "max_sequence_length": 8,
}
TARGETS = ("rank", "all ranks", "launcher", "launch")
PHASES = ("start", "middle", "middle", "sealing", "end")
SECONDS_A_RUN = 180.0
DONE = 0
BATCHES_DEALT = 2  # to a replica, and not begun
BATCHES_WAITING = 2  # to be written


@dataclass(frozen=True)
class Shape:
    """The job that is killed, and on what."""

    container: str = "folder"
    replicas: int = 2
    pipeline: int = 2
    prompts: int = 400
    shard_size: int = 50
    batch_size: int = 4  # and a portion, as long as prompts / batch_size < 128
    steps: int = 1  # so few that writing falls behind, and rendering has to wait for it
    launches: int = 1  # of the whole job at once, on one folder

    @property
    def most_in_flight(self) -> int:
        """Samples that a killed launch may hold: begun, waiting to be written, dealt ahead."""
        begun = 2 * (self.pipeline + 1)  # docs/schedule.md, "Nobody runs ahead of the slowest"
        return self.replicas * self.batch_size * (begun + BATCHES_DEALT + BATCHES_WAITING)

    @property
    def ranks(self) -> int:
        return self.replicas * self.pipeline

    def job(self, folder: Path) -> Path:
        model: dict[str, Any] = {"path": str(HERE.parents[1] / "demo" / "sd3")}
        model["components"] = {"text_encoder_3": None}
        layout: dict[str, Any] = {"replicas": self.replicas, "batch_size": self.batch_size}
        layout["transformer"] = {"ranks": "all", "pipeline": self.pipeline}
        output = {"path": "out", "container": self.container, "shard_size": self.shard_size}
        prompts = [f"a red star {number}" for number in range(self.prompts)]
        folder.mkdir(parents=True, exist_ok=True)
        job = small_job(
            model=model,
            prompts=prompts,
            sampling=SAMPLING | {"num_inference_steps": self.steps},
            layout=layout,
            output=output,
        )
        return write_yaml(job, folder)


@dataclass
class Tally:
    """What happened so far."""

    kills: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    missed: int = 0  # runs that ended before they were hit
    datasets: int = 0
    looks: int = 0  # of the observer
    repeated: list[int] = field(default_factory=list)  # samples a kill, at most

    @property
    def all(self) -> int:
        return self.kills.total()


class Broken(Exception):
    """A promise was not kept."""


def check(kept: bool, promise: str) -> None:
    if not kept:
        raise Broken(promise)


def ended(run: Running) -> int:
    """Its exit code, once all of it has ended; ranks outlive a killed launcher by a moment."""
    run.process.wait(timeout=SECONDS_A_RUN)
    until = time.monotonic() + SECONDS_A_RUN
    while run.processes():
        check(time.monotonic() < until, "ranks live on without their launcher")
        time.sleep(0.05)
    return run.ending().code


class Dataset:
    """One output folder, from nothing until it is done, with kills in between."""

    def __init__(
        self, shape: Shape, folder: Path, whole: dict[str, bytes], rng: random.Random, tally: Tally
    ) -> None:
        self._shape = shape
        self._job = shape.job(folder)
        self._out = folder / "out"
        self._whole = whole
        self._rng = rng
        self._tally = tally
        self._kept: set[int] = set()  # durable after the last kill
        self._runs: list[Running] = []  # under way

    def make(self, most_kills: int) -> None:
        until = self._tally.all + most_kills
        with Observer(self._out, self._whole) as observer:
            while self._tally.all < until and not self._hit():
                check(not observer.faults, "; ".join(observer.faults))
            self._to_the_end()
        self._tally.looks += observer.looks
        self._tally.datasets += 1
        check(not observer.faults, "; ".join(observer.faults))
        self._is_whole()

    def _launch(self) -> Running:
        return Running(["render", "--quiet", str(self._job)], self._shape.ranks)

    def _hit(self) -> bool:
        """Runs the command and kills it, if it lives so long. Whether the dataset is done."""
        target = self._rng.choice(TARGETS)
        phase = self._rng.choice(PHASES)
        self._runs += [self._launch() for _ in range(self._shape.launches - len(self._runs))]
        victim = self._runs.pop(self._rng.randrange(len(self._runs)))
        self._wait_for(phase, victim)
        hit = self._kill(target, victim) if victim.process.poll() is None else set()
        code = ended(victim)
        if hit:
            self._tally.kills[target] += 1
            self._tally.phases[phase] += 1
            self._count_repeated(hit)
        else:
            check(code == DONE, f"exit {code} without a kill")
            self._tally.missed += 1
        return code == DONE

    def _wait_for(self, phase: str, run: Running) -> None:
        if phase == "start":
            return time.sleep(self._rng.uniform(0.0, 3.0))
        before = self._progress()
        more = self._rng.randint(1, max(2, self._shape.prompts // 8))
        signs = {
            "middle": lambda: self._progress() - before >= more,
            "sealing": lambda: any(self._out.glob(".[0-9]*.json.tmp-*"))
            or any(self._out.glob(".[0-9]*.tar.tmp-*")),
            "end": lambda: any(self._out.glob(".metadata.jsonl.tmp-*"))
            or (self._out / "report.json").exists(),
        }
        # "sealing" and "end" may be long to come: no later than after so many samples
        most = self._shape.prompts if phase == "end" else 2 * self._shape.shard_size
        while run.process.poll() is None and not signs[phase]():
            if phase != "middle" and self._progress() - before >= most:
                break
            time.sleep(0.003)
        if phase == "middle":
            time.sleep(self._rng.uniform(0.0, 0.05))

    def _progress(self) -> int:
        return len(output_state.durable(self._out))

    def _kill(self, target: str, run: Running) -> set[int]:
        """The ranks of the killed launch; nothing if there was nothing left to kill."""
        alive = run.processes()
        launcher = [process for process, rank in alive.items() if rank < 0]
        ranks = [process for process, rank in alive.items() if rank >= 0]
        chosen = {
            "rank": [self._rng.choice(ranks)] if ranks else [],
            "all ranks": ranks,
            "launcher": launcher,
            "launch": [*launcher, *ranks],
        }[target]
        for process in chosen or launcher:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return set(alive)

    def _count_repeated(self, killed: set[int]) -> None:
        """What these processes claimed and is not durable: more than that is not done again."""
        shape, now = self._shape, output_state.durable(self._out)
        check(self._kept <= now, f"taken back: {sorted(self._kept - now)}")
        self._kept = now
        begun = output_state.begun(self._out, shape.shard_size, shape.batch_size, killed)
        self._tally.repeated.append(len(begun - now))

    def _to_the_end(self) -> None:
        """What is under way, and one run more, that nobody disturbs."""
        for run in [*self._runs, self._launch()]:
            ending = run.ending(limit=SECONDS_A_RUN)
            check(ending.code == DONE, f"exit {ending.code} undisturbed\n{ending.stderr}")

    def _is_whole(self) -> None:
        files = output_state.dataset(self._out)
        wrong = {n for n in files.keys() | self._whole.keys() if files.get(n) != self._whole.get(n)}
        check(not wrong, f"not as undisturbed: {sorted(wrong)[:5]}")
        left = [str(f) for f in self._out.rglob("*") if f.suffix == ".journal" or ".tmp-" in f.name]
        check(not left, f"left behind: {left[:5]}")


def undisturbed(shape: Shape, folder: Path) -> dict[str, bytes]:
    """The dataset that one rank makes alone, when nobody disturbs it."""
    alone = replace(shape, replicas=1, pipeline=1)
    ending = Running(["render", "--quiet", str(alone.job(folder))]).ending(limit=10 * SECONDS_A_RUN)
    check(ending.code == DONE, f"exit {ending.code}\n{ending.stderr}")
    return output_state.dataset(folder / "out")


def kill_until(
    kills: int, shape: Shape, folder: Path, seed: int, kills_a_dataset: int = 12, say: Any = print
) -> Tally:
    """So many kills, in as many datasets as that takes; Broken at the first promise not kept."""
    rng, tally, begun = random.Random(seed), Tally(), time.monotonic()
    whole = undisturbed(shape, folder / "undisturbed")
    shards = output_state.manifests(whole).values()
    indices = [sample["index"] for shard in shards for sample in shard["samples"]]
    check(indices == list(range(shape.prompts)), "the undisturbed dataset is not all there")
    while tally.all < kills:
        place = folder / f"dataset-{tally.datasets}"
        Dataset(shape, place, whole, rng, tally).make(min(kills_a_dataset, kills - tally.all))
        shutil.rmtree(place)
        say(
            f"{tally.all} kills, {tally.datasets} datasets, {time.monotonic() - begun:.0f} s, "
            f"repeated at most {max(tally.repeated, default=0)} samples a kill"
        )
    say(f"digest {output_state.digest(whole)}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--container", choices=["folder", "webdataset"], default="folder")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--pipeline", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--launches", type=int, default=1, help="of the job at once, on one folder")
    parser.add_argument("--on", type=Path, help="a folder to work in: another disk, /dev/shm")
    arguments = parser.parse_args()
    shape = Shape(
        arguments.container,
        arguments.replicas,
        arguments.pipeline,
        arguments.prompts,
        steps=arguments.steps,
        launches=arguments.launches,
    )
    folder = Path(tempfile.mkdtemp(prefix="trireme-kills-", dir=arguments.on))
    try:
        tally = kill_until(arguments.kills, shape, folder, arguments.seed)
    except Broken as broken:
        print(f"broken: {broken}\nthe folder is kept: {folder}")
        return 1
    shutil.rmtree(folder)
    mean = sum(tally.repeated) / max(1, len(tally.repeated))
    print(f"kills by target: {dict(tally.kills)}; by phase: {dict(tally.phases)}; "
          f"missed: {tally.missed}; the observer looked {tally.looks} times; "
          f"repeated {mean:.1f} samples a kill on average")
    print(f"kills {tally.all}, digests equal, repeated at most {max(tally.repeated)} samples a kill")
    return 0


if __name__ == "__main__":
    sys.exit(main())
