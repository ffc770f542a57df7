"""However a job is laid out over ranks, its samples are those of one rank.

Replicas, pipeline stages and the places of encoders and VAE change no bit: files are compared as
bytes. Tensor and guidance splits change the order of sums: latents are compared by distance.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoints import Checkpoints
from diffusers_oracle import Row
from program import Job, Run, distance, output_bytes, render, report

SPLIT_BAR = 1e-5  # of the spread

Layout = dict[str, Any] | str


@dataclass(frozen=True)
class Case:
    name: str
    model: str
    ranks: int
    layout: Layout


def on(ranks: Any, **axes: int) -> dict[str, Any]:
    return {"ranks": ranks} | axes


EXACT = [
    Case("balanced", "sd3.5-medium", 2, "balanced"),
    Case("balanced", "pixart-512", 4, "balanced"),
    Case("replicas-2", "pixart-512", 2, {"replicas": 2}),
    Case("replicas-4", "sd3.5-large", 4, {"replicas": 4}),
    Case("pipeline-2", "sd3.5-medium", 2, {"transformer": on("all", pipeline=2)}),
    Case("pipeline-2", "pixart-512", 2, {"transformer": on("all", pipeline=2)}),
    Case("pipeline-3", "sd3.5-large", 4, {"transformer": on("1-3", pipeline=3), "vae": on(0)}),
    Case("pipeline-4", "sd3.5-medium", 4, {"transformer": on("all", pipeline=4)}),
    Case("pipeline-4", "pixart-512", 4, {"transformer": on([3, 1, 0, 2], pipeline=4)}),
    Case("balanced-over-three-blocks", "sd3-medium", 4, "balanced"),
    Case("pipeline-2", "pixart-kv", 2, {"transformer": on("all", pipeline=2)}),
    Case(
        "replicas-pipeline", "sd3.5-large", 4, {"replicas": 2, "transformer": on("all", pipeline=2)}
    ),
    Case("vae-elsewhere", "sd3-medium", 2, {"transformer": on(0), "vae": on(1)}),
    Case(
        "each-its-own",
        "sd3.5-medium",
        4,
        {"text_encoders": on(2), "transformer": on("0-1", pipeline=2), "vae": on(3)},
    ),
    Case(
        "each-its-own",
        "pixart-512",
        4,
        {"text_encoders": on(3), "transformer": on([1, 2], pipeline=2), "vae": on(0)},
    ),
    Case("staged", "sd3.5-large", 1, {"offload": "staged"}),
    Case("staged", "pixart-512", 1, {"offload": "staged", "window": 2, "batch_size": 2}),
    Case("staged-replicas", "sd3-medium", 2, {"offload": "staged", "replicas": 2, "window": 1}),
    Case(
        "staged-pipeline",
        "sd3.5-medium",
        3,
        {
            "offload": "staged",
            "window": 3,
            "text_encoders": on(0),
            "transformer": on([1, 2, 0], pipeline=3),
            "vae": on(2),
        },
    ),
    Case(
        "staged-each-its-own",
        "pixart-512",
        4,
        {
            "offload": "staged",
            "text_encoders": on(3),
            "transformer": on([1, 2], pipeline=2),
            "vae": on(0),
        },
    ),
    Case(
        "transformer-last",
        "sd3.5-large",
        2,
        {"text_encoders": on(1), "transformer": on(1), "vae": on(0)},
    ),
]

CLOSE = [
    Case("auto", "sd3.5-medium", 2, "auto"),
    Case("auto", "pixart-512", 3, "auto"),
    Case("guidance", "sd3.5-medium", 2, {"transformer": on("all", guidance=2)}),
    Case("guidance", "pixart-512", 2, {"transformer": on("all", guidance=2)}),
    Case("tensor-2", "sd3.5-medium", 2, {"transformer": on("all", tensor=2)}),
    Case("tensor-2-of-5-heads", "sd3.5-large", 2, {"transformer": on("all", tensor=2)}),
    Case("tensor-2-of-3-heads", "pixart-512", 2, {"transformer": on("all", tensor=2)}),
    Case("tensor-3", "sd3.5-medium", 4, {"transformer": on("0-2", tensor=3), "vae": on(3)}),
    Case("tensor-4-of-5-heads", "sd3.5-large", 4, {"transformer": on("all", tensor=4)}),
    Case("more-ranks-than-heads", "pixart-512", 4, {"transformer": on("all", tensor=4)}),
    Case("guidance-tensor", "sd3.5-large", 4, {"transformer": on("all", guidance=2, tensor=2)}),
    Case("guidance-tensor", "pixart-512", 4, {"transformer": on("all", guidance=2, tensor=2)}),
    Case(
        "guidance-pipeline", "sd3.5-medium", 4, {"transformer": on("all", guidance=2, pipeline=2)}
    ),
    Case("guidance-pipeline", "pixart-512", 4, {"transformer": on("all", guidance=2, pipeline=2)}),
    Case("pipeline-tensor", "sd3.5-large", 4, {"transformer": on("all", pipeline=2, tensor=2)}),
    Case("pipeline-tensor", "pixart-512", 4, {"transformer": on("all", pipeline=2, tensor=2)}),
    Case("sequence-2", "sd3.5-medium", 2, {"transformer": on("all", sequence=2)}),
    Case("sequence-2-of-3-heads", "pixart-512", 2, {"transformer": on("all", sequence=2)}),
    Case("sequence-4-of-5-heads", "sd3.5-large", 4, {"transformer": on("all", sequence=4)}),
    Case("ring-3", "sd3.5-medium", 3, {"transformer": on("all", sequence=3, ring=3)}),
    Case("ring-of-2-ulysses", "sd3.5-medium", 4, {"transformer": on("all", sequence=4, ring=2)}),
    Case("ring-of-2-ulysses", "pixart-512", 4, {"transformer": on("all", sequence=4, ring=2)}),
    Case("sequence-tensor", "sd3.5-large", 4, {"transformer": on("all", sequence=2, tensor=2)}),
    Case("guidance-sequence", "pixart-512", 4, {"transformer": on("all", guidance=2, sequence=2)}),
    Case("pipeline-sequence", "sd3-medium", 4, {"transformer": on("all", pipeline=2, sequence=2)}),
    Case("tensor-4-of-3-heads", "pixart-kv", 4, {"transformer": on("all", tensor=4)}),
    Case("sequence-3", "pixart-kv", 3, {"transformer": on("all", sequence=3)}),
    Case("ring-of-2-ulysses", "pixart-kv", 4, {"transformer": on("all", sequence=4, ring=2)}),
    Case("sequence-tensor", "pixart-kv", 4, {"transformer": on("all", sequence=2, tensor=2)}),
    Case(
        "staged-tensor",
        "sd3.5-medium",
        2,
        {
            "offload": "staged",
            "text_encoders": on("all", tensor=2),
            "transformer": on("all", tensor=2),
            "vae": on("all", patch=2),
        },
    ),
    Case(
        "encoders-2",
        "sd3.5-medium",
        2,
        {"text_encoders": on("all", tensor=2), "transformer": on(1)},
    ),
    Case(
        "encoders-3", "pixart-512", 4, {"text_encoders": on("1-3", tensor=3), "transformer": on(0)}
    ),
    Case(
        "encoders-4",
        "sd3.5-large",
        4,
        {"text_encoders": on("all", tensor=4), "transformer": on("1-2", guidance=2), "vae": on(3)},
    ),
    Case(
        "replicas-tensor",
        "sd3-medium",
        4,
        {"replicas": 2, "text_encoders": on("all", tensor=2), "transformer": on("all", tensor=2)},
    ),
]


def rows(model: str) -> list[Row]:
    """Samples that differ in what the ranks do together: steps, guidance, sizes, noise."""
    star: Row = {
        "prompt": "a red star",
        "negative_prompt": "dog",
        "height": 64,
        "width": 96,
        "num_inference_steps": 3,
        "guidance_scale": 3.0,
    }
    if model.startswith("pixart"):
        noisy = {"class": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}
        own = {"use_resolution_binning": False}
        return [
            star | own,
            star | own | {"guidance_scale": 1.0, "height": 80},
            star | own | {"prompt": "two blue circles " * 30, "num_inference_steps": 2},
            star | own | {"scheduler": noisy, "num_inference_steps": 4},
            {"prompt": "a dog", "height": 100, "width": 120, "num_inference_steps": 2},
        ]
    return [
        star,
        star | {"guidance_scale": 1.0, "height": 80},
        star | {"skip_guidance_layers": [1], "skip_layer_guidance_stop": 1.0},
        star | {"scheduler": {"class": "FlowMatchHeunDiscreteScheduler"}},
        star | {"prompt_3": "two blue circles", "num_inference_steps": 2},
    ]


def job(checkpoints: Checkpoints, model: str, form: str, layout: Layout) -> Job:
    return {
        "model": checkpoints.model(model),
        "prompts": rows(model),
        "stages": ["encode", "denoise"] + (["decode"] if form == "png" else []),
        "layout": layout,
        "output": {"format": form},
    }


class OneRank:
    """What one rank makes of a model's rows, made once."""

    def __init__(self, checkpoints: Checkpoints, folder: Path) -> None:
        self._checkpoints = checkpoints
        self._folder = folder
        self._runs: dict[tuple[str, str], Run] = {}

    def __call__(self, model: str, form: str) -> Run:
        key = (model, form)
        if key not in self._runs:
            layout = {"transformer": on(0)}
            folder = self._folder / f"{model}-{form}"
            self._runs[key] = render(job(self._checkpoints, model, form, layout), folder)
        return self._runs[key].ok


@pytest.fixture(scope="module")
def one_rank(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> OneRank:
    return OneRank(checkpoints, tmp_path_factory.mktemp("one-rank"))


def assert_shared(run: Run, layout: Layout) -> None:
    """The transformer's ranks did talk: a layout that is ignored would pass every comparison."""
    axes = layout.get("transformer", {}) if isinstance(layout, dict) else {}
    sent = [rank["sent_bytes"] for rank in report(run)["ranks"]]
    kinds = {"pipeline": "send", "tensor": "all_reduce", "guidance": "all_gather", "ring": "send"}
    if axes.get("ring", 1) < axes.get("sequence", 1):
        kinds["sequence"] = "all_to_all"
    for axis, kind in kinds.items():
        if axes.get(axis, 1) > 1:
            talkers = [each for each in sent if each.get(kind, 0) > 10_000]
            assert len(talkers) >= axes[axis] - (axis == "pipeline"), (axis, sent)


def named(case: Case) -> str:
    return f"{case.name}-{case.model}-on-{case.ranks}"


@pytest.mark.parametrize("form", ["latents", "png"])
@pytest.mark.parametrize("case", EXACT, ids=named)
def test_layouts_that_change_no_bit(
    case: Case, form: str, checkpoints: Checkpoints, one_rank: OneRank, tmp_path: Path
) -> None:
    whole = output_bytes(one_rank(case.model, form).folder)
    laid_out = render(job(checkpoints, case.model, form, case.layout), tmp_path, case.ranks).ok
    assert_shared(laid_out, case.layout)
    parts = output_bytes(laid_out.folder)
    assert parts.keys() == whole.keys()
    assert [name for name in whole if parts[name] != whole[name]] == []


@pytest.mark.parametrize("case", CLOSE, ids=named)
def test_layouts_that_reorder_sums(
    case: Case, checkpoints: Checkpoints, one_rank: OneRank, tmp_path: Path
) -> None:
    whole = one_rank(case.model, "latents")
    laid_out = render(job(checkpoints, case.model, "latents", case.layout), tmp_path, case.ranks).ok
    assert_shared(laid_out, case.layout)
    for sample in range(len(rows(case.model))):
        assert distance(laid_out.latents(sample), whole.latents(sample)) <= SPLIT_BAR, sample


@pytest.mark.parametrize("model", ["sd3.5-medium", "pixart-512"])
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_vae_in_bands(
    model: str, ranks: int, checkpoints: Checkpoints, one_rank: OneRank, tmp_path: Path
) -> None:
    """Odd heights too, and pictures that are resized after decoding."""
    layout = {"transformer": on(0), "vae": on("all", patch=ranks)}
    whole = one_rank(model, "png")
    banded = render(job(checkpoints, model, "png", layout), tmp_path, ranks).ok
    for sample in range(len(rows(model))):
        apart = np.abs(banded.pixels(sample).astype(int) - whole.pixels(sample))
        assert apart.max() <= 1 and (apart == 0).mean() >= 0.999, sample


def batched(checkpoints: Checkpoints, layout: Layout) -> Job:
    """Five samples that can travel together."""
    changes = {"prompts": ["a red star", "a dog", "two circles", "", "a green square"]}
    sampling = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 3.0}
    return job(checkpoints, "sd3-medium", "latents", layout) | changes | {"sampling": sampling}


def test_a_batch_is_its_samples(checkpoints: Checkpoints, tmp_path: Path) -> None:
    alone = render(batched(checkpoints, {"batch_size": 1}), tmp_path / "alone").ok
    together = render(batched(checkpoints, {"batch_size": 3}), tmp_path / "together").ok
    for sample in range(5):
        assert distance(together.latents(sample), alone.latents(sample)) <= SPLIT_BAR


def test_replicas_keep_the_batches(checkpoints: Checkpoints, tmp_path: Path) -> None:
    one = render(batched(checkpoints, {"batch_size": 2}), tmp_path / "one").ok
    layout = {"replicas": 2, "batch_size": 2}
    two = render(batched(checkpoints, layout), tmp_path / "two", ranks=2).ok
    assert output_bytes(two.folder) == output_bytes(one.folder)


def test_a_stage_without_a_block_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    layout = {"transformer": on("all", pipeline=4)}
    run = render(job(checkpoints, "sd3-medium", "png", layout), tmp_path, ranks=4)
    assert run.code == 78
    assert "[layout.transformer.pipeline] 4 stages -> at most 3" in run.stderr
