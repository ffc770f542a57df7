"""A small SD3 job, and readers of what it leaves behind."""

import json
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors import safe_open

from checkpoints import Checkpoints
from program import Job

SMALL = {"height": 64, "width": 80, "num_inference_steps": 2, "guidance_scale": 3.0}
PROMPTS = [
    "a red star",
    {"prompt": 'two: "circles"\n — 東京', "negative_prompt": "a dog", "seed": 7},
    {"prompt": "", "width": 64, "guidance_scale": 1.0},
]


def sd3_job(checkpoints: Checkpoints, **changes: Any) -> Job:
    job = {"model": checkpoints.model("sd3-medium"), "prompts": PROMPTS, "sampling": SMALL}
    return job | changes


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]  # by line feeds only


def texts(file: Path) -> dict[str, str]:
    with Image.open(file) as image:
        image.load()
        return dict(image.text)


def metadata_of(file: Path) -> dict[str, str]:
    """The texts in a safetensors file's header."""
    with safe_open(file, "pt") as opened:
        return opened.metadata()
