"""The two programs that the speed benchmark compares, each as a function of one round's work."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable

import numpy as np
import torch
import yaml
from diffusers import DiffusionPipeline
from PIL import Image

from cases import STAGES, Case

# All different: trireme would encode a repeated one once.
PROMPTS = tuple(f"a {size} {colour} {shape} on a {background} background"
                for size in ("small", "large") for colour in ("red", "blue")
                for shape in ("star", "circle") for background in ("black", "white"))
GUIDANCE = 4.0


@dataclasses.dataclass
class Round:
    seconds: dict[str, float]  # by stage, for one picture
    pictures: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Setting:
    dtype: str
    threads: int
    cpu_time: bool  # count the seconds that the process computed, not those that passed
    device: str = "cpu"  # of trireme


class Trireme:
    """One run of the program a round; the seconds of the stages are those of its report."""

    def __init__(self, program: pathlib.Path, case: Case, model: pathlib.Path,
                 scratch: pathlib.Path, setting: Setting):
        self.program, self.case, self.setting = program, case, setting
        self.job, self.out = scratch / "job.yaml", scratch / "out"
        sampling = dict(height=case.size, width=case.size, num_inference_steps=case.steps,
                        guidance_scale=GUIDANCE, max_sequence_length=case.max_sequence_length)
        if case.family == "pixart":
            sampling["use_resolution_binning"] = False
        scratch.mkdir(parents=True, exist_ok=True)
        self.job.write_text(yaml.safe_dump(dict(
            version=1, model=dict(path=str(model), dtype=setting.dtype),
            prompts=list(PROMPTS[:case.pictures]), sampling=sampling, threads=setting.threads,
            device=setting.device, output=dict(path=str(self.out), metadata="none"))))

    def __call__(self) -> Round:
        wall, cpu = self.run()
        report = json.loads((self.out / "report.json").read_text())["seconds"]
        scale = (cpu / wall if self.setting.cpu_time else 1) / self.case.pictures
        pictures = [np.asarray(Image.open(self.out / f"{i:08}.png"))
                    for i in range(self.case.pictures)]
        return Round({stage: report[stage] * scale for stage in STAGES}, pictures)

    def run(self, *overrides: str) -> tuple[float, float]:
        """From the start of the program to its end: seconds, and those of its own computing."""
        shutil.rmtree(self.out, ignore_errors=True)
        settings = [word for override in overrides for word in ("--set", override)]
        before, start = os.times(), time.perf_counter()
        subprocess.run([self.program, "render", self.job, *settings], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, os.times()
        return wall, sum(after[2:4]) - sum(before[2:4])

    def start_up(self) -> float:
        """Seconds to the first step of the demo job, and from the last step to the end."""
        wall, cpu = self.run("sampling.num_inference_steps=1")
        report = json.loads((self.out / "report.json").read_text())["seconds"]
        rest = wall - report["denoise"] - report["decode"] - report["write"]
        return rest * cpu / wall if self.setting.cpu_time else rest


class Diffusers:
    """Loaded once and warm; batches of one picture, as the other side's."""

    def __init__(self, case: Case, model: pathlib.Path, setting: Setting):
        self.case = case
        self.clock: Callable[[], float] = (
            time.process_time if setting.cpu_time else time.perf_counter)
        self.pipe = DiffusionPipeline.from_pretrained(
            model, torch_dtype=getattr(torch, setting.dtype))
        self.pipe.set_progress_bar_config(disable=True)
        self.prompts = PROMPTS[:case.pictures]

    def __call__(self) -> Round:
        seconds = dict.fromkeys(STAGES, 0.0)
        pictures = []
        for seed, prompt in enumerate(self.prompts):
            marks = [self.clock()]
            with torch.no_grad():
                embeds = self.encode(prompt)
                marks.append(self.clock())
                latents = self.denoise(embeds, seed)
                marks.append(self.clock())
                pictures.append(np.asarray(self.decode(latents)))
                marks.append(self.clock())
            for stage, start, end in zip(STAGES, marks, marks[1:]):
                seconds[stage] += (end - start) / len(self.prompts)
        return Round(seconds, pictures)

    def encode(self, prompt: str) -> dict[str, torch.Tensor]:
        length = self.case.max_sequence_length
        if self.case.family == "pixart":
            names = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds",
                     "negative_prompt_attention_mask")
            return dict(zip(names, self.pipe.encode_prompt(prompt, max_sequence_length=length)))
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds",
                 "negative_pooled_prompt_embeds")
        return dict(zip(names, self.pipe.encode_prompt(prompt, None, None,
                                                       max_sequence_length=length)))

    def denoise(self, embeds: dict[str, torch.Tensor], seed: int) -> torch.Tensor:
        own = ({"use_resolution_binning": False, "negative_prompt": None}
               if self.case.family == "pixart" else {})
        return self.pipe(
            **embeds, **own, height=self.case.size, width=self.case.size,
            num_inference_steps=self.case.steps, guidance_scale=GUIDANCE,
            max_sequence_length=self.case.max_sequence_length, output_type="latent",
            generator=torch.Generator("cpu").manual_seed(seed)).images

    def decode(self, latents: torch.Tensor) -> Image.Image:
        config = self.pipe.vae.config
        image = self.pipe.vae.decode(
            latents / config.scaling_factor + (config.shift_factor or 0), return_dict=False)[0]
        return self.pipe.image_processor.postprocess(image, output_type="pil")[0]
