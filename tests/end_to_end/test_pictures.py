"""The program's latents and pictures equal those of diffusers, asked live."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from picture_cases import BY_NAME, HALF_CASES, SEED, Case, companions, first_index, seeds
from checkpoints import Checkpoints
from diffusers_oracle import Oracles, Picture
from program import Job, Run, distance, render

LATENTS_BAR = 2e-4  # of their spread
cases = pytest.mark.parametrize("case", BY_NAME.values(), ids=BY_NAME)


class Renderings:
    """The program's side: a job is rendered once, when its first case asks."""

    def __init__(self, checkpoints: Checkpoints, folder: Path) -> None:
        self._checkpoints = checkpoints
        self._folder = folder
        self._runs: dict[object, Run] = {}

    def __call__(self, case: Case, form: str, dtype: str = "float32") -> Run:
        key = (case.job, form, dtype)
        if key not in self._runs:
            folder = self._folder / str(len(self._runs))
            self._runs[key] = render(self._job(case, form, dtype), folder)
        return self._runs[key].ok

    def _job(self, case: Case, form: str, dtype: str) -> Job:
        model = self._checkpoints.model(case.model) | {"dtype": dtype}
        if case.absent:
            model["components"] = {name: None for name in case.absent}
        last = ["decode"] if form == "png" else []
        return {
            "model": model,
            "prompts": [other.row for other in companions(case)],
            "sampling": {"seed": SEED, "num_images_per_prompt": case.images},
            "stages": ["encode", "denoise", *last],
            "output": {"format": form},
        }


@pytest.fixture(scope="session")
def renderings(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Renderings:
    return Renderings(checkpoints, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def expected(oracles: Oracles) -> Callable[[Case], list[Picture]]:
    known: dict[str, list[Picture]] = {}

    def pictures(case: Case) -> list[Picture]:
        key = f"{case.model}-{case.name}"
        if key not in known:
            known[key] = oracles(case.model, case.absent).pictures(case.row, seeds(case))
        return known[key]

    return pictures


@cases
def test_latents_equal_diffusers(case: Case, renderings: Renderings, expected: Callable) -> None:
    run = renderings(case, "latents")
    for image, theirs in enumerate(expected(case)):
        ours = run.latents(first_index(case) + image)
        assert ours.dtype == torch.float32
        assert distance(ours, theirs.latents) <= LATENTS_BAR


@cases
def test_pictures_equal_diffusers(case: Case, renderings: Renderings, expected: Callable) -> None:
    run = renderings(case, "png")
    for image, theirs in enumerate(expected(case)):
        ours = run.pixels(first_index(case) + image)
        assert ours.shape == theirs.pixels.shape
        difference = np.abs(ours.astype(int) - theirs.pixels)
        assert difference.max() <= 1
        assert (difference == 0).mean() >= 0.999


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", HALF_CASES)
def test_half_precision_stays_close(
    name: str, dtype: str, renderings: Renderings, expected: Callable
) -> None:
    """The noise is drawn in float32 and cast, so that every dtype makes the same picture."""
    case = BY_NAME[name]
    ours = renderings(case, "latents", dtype).latents(first_index(case))
    assert ours.dtype == torch.float32
    (theirs,) = expected(case)
    assert torch.cosine_similarity(ours.flatten(), theirs.latents.flatten(), dim=0) >= 0.999
