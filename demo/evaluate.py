"""Measures what the demo models draw: held-out prompts, real renders, a judge without a model.

`python demo/evaluate.py` renders through build/trireme; `--engine diffusers` makes the same
pictures with diffusers, as a cross-check. Prints one table row a family and size, writes the contact
sheet where asked, and exits with 1 where a figure is under its bar.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import torch
import yaml
from diffusers import DiffusionPipeline
from PIL import Image, ImageOps
from torch import Tensor

from judge import Verdict, judge
from scenes import Scene, sample_scenes

HERE = Path(__file__).resolve().parent
FAMILIES = ["sd3", "pixart"]
BARS = {(128, 128): 0.95, (96, 160): 0.80, (160, 96): 0.80, (256, 256): 0.80}  # height, width
FIRST_SEED = 1000
SAMPLING = {"num_inference_steps": 20, "guidance_scale": 4.0, "max_sequence_length": 16}
SHEET_COLUMNS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["trireme", "diffusers"], default="trireme")
    parser.add_argument("--program", type=Path, default=HERE.parent / "build" / "trireme")
    parser.add_argument("--models", type=Path, default=HERE, help="parent of sd3 and pixart")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "evaluate")
    parser.add_argument("--prompts", type=int, default=64, help="held-out prompts a size")
    parser.add_argument("--sheet", type=Path, help="write the contact sheet here")
    arguments = parser.parse_args()

    scenes = sample_scenes(arguments.prompts, True, torch.Generator().manual_seed(7))
    missed, shown = 0, []
    print("| model | height x width | colour | shape | background | all three | bar |")
    print("|---" * 7 + "|")
    for family in FAMILIES:
        for (height, width), bar in BARS.items():
            job = make_job(arguments.models / family, family, scenes, height, width)
            folder = arguments.out / f"{family}-{height}x{width}"
            if arguments.engine == "trireme":
                pictures = render_with_trireme(job, folder, arguments.program)
            else:
                pictures = render_with_diffusers(job)
            verdicts = [judge(picture) for picture in pictures]
            rates = rates_of(scenes, verdicts)
            missed += rates["all three"] < bar
            figures = " | ".join(f"{rate:.1%}" for rate in rates.values())
            print(f"| {family} | {height}x{width} | {figures} | {bar:.0%} |", flush=True)
            for scene, verdict in zip(scenes, verdicts, strict=True):
                if not all(matches(scene, verdict)):
                    print(f"  {scene.caption}: {verdict}", file=sys.stderr)
            shown.append(pictures[:SHEET_COLUMNS])
    if arguments.sheet:
        write_sheet(shown, arguments.sheet)
    return 1 if missed else 0


def make_job(model: Path, family: str, scenes: list[Scene], height: int, width: int) -> dict:
    """A job as a user would write it; row i draws its noise from FIRST_SEED + i."""
    sampling = SAMPLING | {"height": height, "width": width, "seed": FIRST_SEED}
    if family == "pixart":
        sampling["use_resolution_binning"] = False  # its bins start at 256 px
    return {
        "version": 1,
        "model": {"path": str(model.resolve()), "dtype": "float32"},
        "prompts": [scene.caption for scene in scenes],
        "sampling": sampling,
        "device": "cpu",
        "output": {"path": "pictures", "format": "png", "container": "folder"},
    }


def render_with_trireme(job: dict, folder: Path, program: Path) -> list[Tensor]:
    """Render into the folder anew, so that pictures of other weights cannot be taken for these."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "job.yaml").write_text(yaml.safe_dump(job, sort_keys=False))
    subprocess.run([program, "render", folder / "job.yaml"], check=True, stdout=subprocess.DEVNULL)
    files = [folder / "pictures" / f"{row:08}.png" for row in range(len(job["prompts"]))]
    return [to_tensor(Image.open(file)) for file in files]


def render_with_diffusers(job: dict) -> list[Tensor]:
    """The same job by diffusers, a prompt at a time as its seeds want it."""
    pipe = DiffusionPipeline.from_pretrained(job["model"]["path"])
    pipe.set_progress_bar_config(disable=True)
    sampling = dict(job["sampling"])
    seed = sampling.pop("seed")
    pictures = []
    for row, prompt in enumerate(job["prompts"]):
        generator = torch.Generator("cpu").manual_seed(seed + row)
        pictures += pipe(prompt, generator=generator, **sampling).images
    return [to_tensor(picture) for picture in pictures]


def to_tensor(picture: Image.Image) -> Tensor:
    pixels = torch.from_numpy(numpy.array(picture.convert("RGB")))
    return pixels.permute(2, 0, 1) / 255


def matches(scene: Scene, verdict: Verdict) -> tuple[bool, bool, bool]:
    """Colour, shape and background, each right or wrong."""
    return (
        scene.colour == verdict.colour,
        scene.shape == verdict.shape,
        scene.background == verdict.background,
    )


def rates_of(scenes: list[Scene], verdicts: list[Verdict]) -> dict[str, float]:
    right = numpy.array([matches(s, v) for s, v in zip(scenes, verdicts, strict=True)])
    names = ["colour", "shape", "background"]
    rates = dict(zip(names, right.mean(0).tolist(), strict=True))
    return rates | {"all three": right.all(1).mean().item()}


def write_sheet(rows: list[list[Tensor]], path: Path) -> None:
    """A row a model and size, a held-out prompt a column."""
    cell = 100
    sheet = Image.new("RGB", (SHEET_COLUMNS * cell, len(rows) * cell), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
            small = ImageOps.contain(Image.fromarray(pixels), (cell - 4, cell - 4))
            left, top = (cell - small.width) // 2, (cell - small.height) // 2
            sheet.paste(small, (x * cell + left, y * cell + top))
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
