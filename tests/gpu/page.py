"""Writes docs/gpu.md from what tests/gpu/check.py found; the rest is marked as not run."""

import dataclasses
import json
from dataclasses import dataclass, field

NOT_RUN = "not run"
FAMILIES = ("sd3", "pixart")
RANKS = (1, 2, 3, 4, 8)
BENCHMARK = ("sd3 demo", "pixart demo", "mmdit 512", "mmdit 512, sd3.5", "pixart 512",
             "vae full size")
DTYPES = ("float32", "bfloat16")
STAGES = ("encode", "denoise", "decode")

MODELS = [f"{family}: {part}" for family in FAMILIES
          for part in ("text encoders", "pooled text", "transformer", "VAE")
          if (family, part) != ("pixart", "pooled text")]
JOBS = [f"{family}: demo job, one rank" for family in FAMILIES]
TRANSPORT = [f"collectives on {ranks} rank{'s' if ranks > 1 else ''}" for ranks in RANKS] + [
    "a rank that does not come ends the others"]


@dataclass(frozen=True)
class Check:
    """What one check came to: passed, failed or not run, and the figures to it."""

    outcome: str
    figures: str = ""


@dataclass
class Findings:
    """All of a run: where and when, each check by its name, seconds by (case, type)."""

    when: str = ""
    gpu: str = ""
    versions: str = ""
    commit: str = ""
    checks: dict[str, Check] = field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(check.outcome == "FAILED" for check in self.checks.values())

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1)

    @staticmethod
    def of_json(text: str) -> "Findings":
        read = json.loads(text)
        checks = {name: Check(**check) for name, check in read.pop("checks").items()}
        return Findings(**read, checks=checks)


def timing(case: str, dtype: str) -> str:
    return f"{case}, {dtype}"


def checks(found: Findings, names: list[str]) -> str:
    lines = ["| what | outcome | figures |", "|---|---|---|"]
    for name in names:
        check = found.checks.get(name, Check(NOT_RUN))
        lines.append(f"| {name} | {check.outcome} | {check.figures} |")
    return "\n".join(lines)


def seconds(found: Findings) -> str:
    lines = ["| job | type | encode, s | denoise, s | decode, s |", "|---|---|---|---|---|"]
    for case in BENCHMARK:
        for dtype in DTYPES:
            times = found.seconds.get(timing(case, dtype))
            cells = [NOT_RUN] * 3 if times is None else [f"{times[stage]:.4f}" for stage in STAGES]
            lines.append(f"| {case} | {dtype} | {' | '.join(cells)} |")
    return "\n".join(lines)


def where(found: Findings) -> str:
    if not found.gpu:
        return ("**Nothing has run on a GPU yet.** All of it compiles and links, and the NCCL "
                "transport runs its\nwhole suite, and its failures, over a stand-in of host memory "
                "and threads (`build/tests/nccl_test`).")
    return (f"Written on {found.when} by commit {found.commit}, on {found.gpu}, with "
            f"{found.versions}.")


PAGE = """# What has run on a GPU

{where}
`tests/gpu/run` is the one command: on a machine with a GPU it does all of the below and writes this
page anew.

`device: auto` means the CPU. `device: cuda` is there for those who want to try: rank r of a host
takes GPU r modulo their number, groups talk over NCCL (their ids go over MPI), weights are read
straight into the GPU's memory.

## CUDA beside the CPU
Components of the demo checkpoints in float32 (TF32 off): the largest difference as a part of the
largest number.

{models}

Whole demo jobs, the same way: the difference of pixel values (0 to 255).

{jobs}

## NCCL
`tests/parallel/collectives_test.cpp` on CUDA tensors, a process a rank; ranks that share a GPU have
an `NCCL_HOSTID` of their own each.

{transport}

## Seconds
The jobs of `tests/bench/speed.py`, by the program's own report: seconds for one picture, with the
first picture's warming up.

{seconds}
"""


def page(found: Findings) -> str:
    return PAGE.format(where=where(found), models=checks(found, MODELS), jobs=checks(found, JOBS),
                       transport=checks(found, TRANSPORT), seconds=seconds(found))
