"""trireme beside diffusers on the same weights, sizes, steps, type and number of threads.

    .venv/bin/python tests/bench/speed.py [--repeats 5] [--threads 2] [--only NAME] [--write FILE]

The two take turns, round by round, and the table shows the median seconds for one picture. On a
busy machine take `--threads 1 --cpu-time`: seconds of computing, which others disturb less.
"""

import argparse
import dataclasses
import pathlib
import statistics
import sys
import tempfile

import diffusers
import numpy as np
import torch
import transformers

from cases import CASES, DEMO, Case, checkpoint
from sides import Diffusers, Round, Setting, Trireme

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_UPS = 7


@dataclasses.dataclass(frozen=True)
class Row:
    case: Case
    dtype: str
    stage: str
    diffusers: float
    trireme: float
    apart: float  # of the pictures: the mean difference of a pixel, of 255

    @property
    def ratio(self) -> float:
        return self.diffusers / self.trireme


def dtypes() -> list[str]:
    """bfloat16 only where the CPU multiplies it; elsewhere both would convert and wait."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    return ["float32", "bfloat16"] if native else ["float32"]


def measure(case: Case, options: argparse.Namespace, dtype: str) -> list[Row]:
    setting = Setting(dtype, options.threads, options.cpu_time)
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        model = checkpoint(case, scratch / "model")
        sides = (Trireme(options.program, case, model, scratch / "job", setting),
                 Diffusers(case, model, setting))
        for side in sides:
            side()  # so that files are in memory and what is made once is made
        rounds = [[side() for side in sides] for _ in range(options.repeats)]
    return [row(case, dtype, stage, rounds) for stage in case.stages]


def row(case: Case, dtype: str, stage: str, rounds: list[list[Round]]) -> Row:
    medians = [statistics.median(turn[side].seconds[stage] for turn in rounds) for side in (0, 1)]
    ours, theirs = (np.stack(side.pictures).astype(float) for side in rounds[0])
    return Row(case, dtype, stage, trireme=medians[0], diffusers=medians[1],
               apart=float(np.abs(ours - theirs).mean()))


def start_up(options: argparse.Namespace) -> float:
    demo = dataclasses.replace(CASES[0], pictures=1)
    with tempfile.TemporaryDirectory() as folder:
        side = Trireme(options.program, demo, DEMO / demo.family, pathlib.Path(folder),
                       Setting("float32", options.threads, options.cpu_time))
        return statistics.median(side.start_up() for _ in range(START_UPS))


def geometric_mean(rows: list[Row]) -> float:
    return statistics.geometric_mean(row.ratio for row in rows if row.stage != "encode")


HEAD = ("| model | stage | pixels | steps | type | diffusers, s | trireme, s | ratio | apart |",
        "|---|---|---|---|---|---|---|---|---|")


def line(r: Row) -> str:
    return (f"| {r.case.name} | {r.stage} | {r.case.size} | {r.case.steps} | {r.dtype} "
            f"| {r.diffusers:.4f} | {r.trireme:.4f} | {r.ratio:.2f} | {r.apart:.2f} |")


PAGE = """# Speed on a CPU

trireme beside diffusers {diffusers} (transformers {transformers}, torch {torch}, eager), written by
`tests/bench/speed.py`: the same weights, sizes, steps, numbers, prompts and seeds, {threads} in both,
taking turns, medians of {repeats} rounds, on {cpu}. Seconds are {clock} for one picture; a ratio above one means
that trireme is faster. `apart` is the mean difference of the two pictures' pixel values (0 to 255),
as a sign that both did the same work.

{table}

Geometric mean of the ratios of denoising and decoding: **{mean:.2f}**, the lowest **{lowest:.2f}**.
Encoding stands outside it: trireme keeps the embedding of the negative prompt for the whole job, where
diffusers makes it again for every call.

From the start of the program to the first step of a demo job: **{start_up:.2f} s** (a job of one
picture and one step from its start to its exit, less the seconds of its steps, decoding and writing).

The models are the demo's checkpoints as they are; an SD3, an SD3.5-like (normed queries and keys,
three blocks with dual attention) and a PixArt-Sigma transformer, 6 blocks of 8 heads of 64, at 512
pixels, with random weights; and the released models' VAE decoder, with random weights. diffusers
stays in one warm process; trireme is started anew each round, and its stages are timed by its report
(`report.json`), the first picture's warming up included.
"""


def cpu() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    kinds = [kind for kind in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
             if kind in " ".join(lines).split()]
    return f"{len(names)} cores of {names[0]} ({', '.join(kinds)})"


def page(rows: list[Row], seconds: float, options: argparse.Namespace) -> str:
    return PAGE.format(
        diffusers=diffusers.__version__, transformers=transformers.__version__,
        torch=torch.__version__.split("+")[0],
        threads=f"{options.threads} thread{'s' if options.threads > 1 else ''}",
        repeats=options.repeats, cpu=cpu(), table="\n".join([*HEAD, *map(line, rows)]),
        clock="of computing (processor time)" if options.cpu_time else "of the clock",
        mean=geometric_mean(rows), lowest=min(r.ratio for r in rows), start_up=seconds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="this type alone")
    parser.add_argument("--cpu-time", action="store_true", help="processor seconds")
    parser.add_argument("--write", type=pathlib.Path, help="the page for the documentation")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/trireme")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.program = options.program.resolve()
    torch.set_num_threads(options.threads)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    rows: list[Row] = []
    print(*HEAD, sep="\n", flush=True)
    for case in CASES:
        if not case.name.startswith(options.only):
            continue
        for dtype in [options.dtype] if options.dtype else dtypes():
            for r in measure(case, options, dtype):
                rows.append(r)
                print(line(r), flush=True)
    if not rows:
        sys.exit(f"[--only] {options.only} -> one of: {', '.join(c.name for c in CASES)}")
    seconds = start_up(options)
    means = [r for r in rows if r.stage != "encode"]
    if means:
        print(f"\ngeometric mean without encode {geometric_mean(rows):.3f}, lowest "
              f"{min(r.ratio for r in rows):.3f}; start-up {seconds:.2f} s")
    if options.write:
        options.write.write_text(page(rows, seconds, options))


if __name__ == "__main__":
    main()
