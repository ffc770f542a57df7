"""What diffusers makes of a row of a job: the same names in, latents and pixels out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import DiffusionPipeline, StableDiffusion3Pipeline

from checkpoints import VARIANTS, Checkpoints
from compressed_attention import attach

Row = dict[str, Any]  # a row of a job file, or its `sampling`; see job.md


@dataclass(frozen=True)
class Picture:
    latents: torch.Tensor  # float32 [channels, height / 8, width / 8]
    pixels: np.ndarray  # uint8 [height, width, 3]


class Oracle:
    """A checkpoint in diffusers' own pipeline, in float32 on the CPU."""

    def __init__(
        self, folder: Path, absent: tuple[str, ...] = (), variant: str | None = None
    ) -> None:
        self._hold(
            DiffusionPipeline.from_pretrained(
                folder,
                dtype=torch.float32,
                variant=variant,
                local_files_only=True,
                **{name: None for name in absent},
            )
        )
        if not self.is_sd3:
            attach(self.pipe.transformer, folder / "transformer")

    @classmethod
    def of(cls, pipe: DiffusionPipeline) -> "Oracle":
        """A pipeline that was put together elsewhere."""
        oracle = cls.__new__(cls)
        oracle._hold(pipe)
        return oracle

    def _hold(self, pipe: DiffusionPipeline) -> None:
        self.pipe = pipe
        self.pipe.set_progress_bar_config(disable=True)
        self.scheduler = self.pipe.scheduler
        self.is_sd3 = isinstance(self.pipe, StableDiffusion3Pipeline)

    def pictures(self, row: Row, seeds: list[int]) -> list[Picture]:
        """One picture a seed, each from a generator of its own."""
        latents: list[torch.Tensor] = []
        arguments = self._arguments(row) | self._listening(latents)
        self.pipe.scheduler = self._scheduler(row.get("scheduler"))
        made = self.pipe(
            num_images_per_prompt=len(seeds),
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="pil",
            **arguments,
        )
        return [Picture(z, np.array(image)) for z, image in zip(latents[-1], made.images)]

    def embeddings(self, row: Row) -> dict[str, torch.Tensor]:
        """By the names of diffusers' call arguments, without the batch dimension."""
        taken = [
            "prompt",
            "prompt_2",
            "prompt_3",
            "negative_prompt",
            "negative_prompt_2",
            "negative_prompt_3",
            "clip_skip",
            "clean_caption",
            "max_sequence_length",
        ]
        arguments = {key: value for key, value in self._arguments(row).items() if key in taken}
        guided = row.get("guidance_scale", 7.0) > 1
        result = self.pipe.encode_prompt(**arguments, do_classifier_free_guidance=guided)
        names = (
            ["prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds"]
            + ["negative_pooled_prompt_embeds"]
            if self.is_sd3
            else ["prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds"]
            + ["negative_prompt_attention_mask"]
        )
        return {name: value[0] for name, value in zip(names, result) if value is not None}

    def _arguments(self, row: Row) -> Row:
        arguments = {key: row[key] for key in row if key not in ("scheduler", "seed")}
        if self.is_sd3:
            # Given and absent are one to the pipeline, but its type check wants all texts alike.
            arguments.setdefault("prompt_2", None)
            arguments.setdefault("prompt_3", None)
            return arguments
        return {"clean_caption": False} | arguments

    def _listening(self, latents: list[torch.Tensor]) -> dict[str, Any]:
        """The argument that makes the pipeline report the latents of each step."""
        if not self.is_sd3:
            return {"callback": lambda step, t, value: latents.append(value.clone())}

        def hear(pipe: object, step: int, t: object, values: dict[str, Any]) -> dict[str, Any]:
            latents.append(values["latents"].clone())
            return {}

        return {"callback_on_step_end": hear}

    def _scheduler(self, chosen: dict[str, Any] | None) -> diffusers.SchedulerMixin:
        if chosen is None:
            return self.scheduler
        fields = dict(chosen)
        kind = getattr(diffusers, fields.pop("class"))
        return kind.from_config(self.scheduler.config, **fields)


class Oracles:
    """diffusers' pipelines, each loaded once."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._loaded: dict[tuple[str, tuple[str, ...]], Oracle] = {}

    def __call__(self, name: str, absent: tuple[str, ...] = ()) -> Oracle:
        key = (name, absent)
        if key not in self._loaded:
            folder = self._checkpoints[name]
            self._loaded[key] = Oracle(folder, absent, VARIANTS.get(name))
        return self._loaded[key]
