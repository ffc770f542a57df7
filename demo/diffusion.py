"""The transformers: what they are, what they learn from, and the loop that teaches them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DiffusionPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
)
from torch import Tensor, nn

from optim import Optimizers
from progress import Progress
from scenes import draw, sample_scenes
from text import T5_WIDTH
from vae import encode
from words import CLIP_LENGTH

DROPPED_CAPTIONS = 0.1  # the unguided branch learns from these
SPREAD = 0.25  # of the drawings: a caption nearly fixes its picture, which makes for clean edges


@dataclass(frozen=True)
class Size:
    """A picture size: how many drawings of it there are."""

    height: int
    width: int
    pictures: int
    batch: int


SIZES = [
    Size(128, 128, 3600, 24),
    Size(96, 160, 600, 24),
    Size(160, 96, 600, 24),
    Size(256, 256, 400, 6),  # attention's cost grows with the square: small batches
]



@dataclass(frozen=True)
class Phase:
    """Some of the training: how long, how fast, and which part of the steps each of SIZES has."""

    name: str
    steps: int
    rate: float
    shares: list[float]
    all_sizes_from: float  # of its steps: shapes are learnt at the cheap size first


def phases(steps: int, rounds: int) -> list[Phase]:
    """Most of it at 128 px; then, gently, for the sizes that were rare until then: `rounds` times a
    fifth more, as every fall of the rates sharpens the shapes."""
    first = Phase("transformer", steps, 1.0, [0.60, 0.13, 0.13, 0.14], 0.3)
    return [first] + [
        Phase(f"all sizes, round {number + 1}", steps // 5, 0.4, [0.25, 0.25, 0.25, 0.25], 0.0)
        for number in range(rounds)
    ]


Latents = list[tuple[list[str], Tensor]]  # captions and their pictures' latents, a pair a size
Loss = Callable[[nn.Module, Tensor, list[str], int], Tensor]


def make_sd3_transformer() -> SD3Transformer2DModel:
    """An MMDiT of six blocks; 16 x 16 positions reach 256 px."""
    model = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=16,
        num_layers=6,
        attention_head_dim=16,
        num_attention_heads=6,
        joint_attention_dim=T5_WIDTH,
        caption_projection_dim=96,
        pooled_projection_dim=96,
        out_channels=16,
        pos_embed_max_size=16,
    )
    _silence(model, [".norm1.linear", ".norm1_context.linear", "norm_out.linear", "proj_out"])
    return model


def make_pixart_transformer() -> PixArtTransformer2DModel:
    """A DiT of six blocks; its out channels are twice the latent's, the second half unused."""
    model = PixArtTransformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=6,
        attention_head_dim=16,
        num_attention_heads=8,
        cross_attention_dim=128,
        caption_channels=T5_WIDTH,
        interpolation_scale=1,
        norm_num_groups=4,
        use_additional_conditions=False,
    )
    _silence(model, ["adaln_single.linear", ".attn2.to_out.0", "proj_out"])
    for block in model.transformer_blocks:
        nn.init.zeros_(block.scale_shift_table)
    return model


def _silence(model: nn.Module, endings: list[str]) -> None:
    """Start these layers at zero: every block begins as an identity, and the output as nothing."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ("." + name).endswith(tuple(endings)):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def draw_latents(
    vae: AutoencoderKL, scale: float, generator: torch.Generator, label: str
) -> Latents:
    """The training set, encoded once: what the transformer sees instead of pictures."""
    latents: Latents = []
    shift = vae.config.shift_factor or 0.0
    counts = [max(8, round(size.pictures * scale)) for size in SIZES]
    progress = Progress(label, sum(counts))
    done = 0
    for size, count in zip(SIZES, counts, strict=True):
        scenes = sample_scenes(count, False, generator)
        parts = []
        for begin in range(0, count, 64):
            part = scenes[begin : begin + 64]
            pictures = draw(part, size.height, size.width, generator, SPREAD)
            parts.append(encode(vae, pictures))
            done += len(part)
            progress.show(done, f"{size.height}x{size.width}")
        scaled = (torch.cat(parts) - shift) * vae.config.scaling_factor
        latents.append(([scene.caption for scene in scenes], scaled))
    return latents


class Sd3Loss:
    """Rectified flow: the model is asked for noise minus picture at a mixed point between them."""

    def __init__(self, pipe: DiffusionPipeline, generator: torch.Generator) -> None:
        self._pipe = pipe
        self._generator = generator
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(
        self, model: nn.Module, latents: Tensor, captions: list[str], length: int
    ) -> Tensor:
        noise = torch.randn(latents.shape, generator=self._generator)
        sigma = torch.randn(len(latents), generator=self._generator).sigmoid()
        # Half as drawn, half moved to where the sampler's shift of 3 puts most of its steps.
        half = len(latents) // 2
        sigma[:half] = 3 * sigma[:half] / (1 + 2 * sigma[:half])
        mix = sigma[:, None, None, None]
        embeds, pooled = self._embed(captions, length)
        predicted = model(
            hidden_states=(1 - mix) * latents + mix * noise,
            encoder_hidden_states=embeds,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0]
        return nn.functional.mse_loss(predicted, noise - latents)

    def _embed(self, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
        if length != CLIP_LENGTH:
            return self._encode(captions, length)
        new = sorted(set(captions) - self._known.keys())
        if new:
            self._known.update(zip(new, zip(*self._encode(new, length), strict=True), strict=True))
        embeds, pooled = zip(*(self._known[caption] for caption in captions), strict=True)
        return torch.stack(embeds), torch.stack(pooled)

    @torch.no_grad()
    def _encode(self, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
        embeds, _, pooled, _ = self._pipe.encode_prompt(
            captions,
            None,
            None,
            device="cpu",
            do_classifier_free_guidance=False,
            max_sequence_length=length,
        )
        return embeds, pooled


class PixArtLoss:
    """Diffusion with a v target: learnt faster than noise, and the scheduler can be told of it."""

    def __init__(self, pipe: DiffusionPipeline, generator: torch.Generator) -> None:
        self._pipe = pipe
        self._generator = generator
        self._noising = DDPMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=2e-2)
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(
        self, model: nn.Module, latents: Tensor, captions: list[str], length: int
    ) -> Tensor:
        noise = torch.randn(latents.shape, generator=self._generator)
        # Half even, half where the picture's layout is decided.
        time = torch.rand(len(latents), generator=self._generator)
        half = len(latents) // 2
        time[:half] = (torch.randn(half, generator=self._generator) - 0.4).sigmoid()
        time = (time * 1000).long().clamp(0, 999)
        embeds, mask = self._embed(captions)
        predicted = model(
            self._noising.add_noise(latents, noise, time),
            encoder_hidden_states=embeds,
            encoder_attention_mask=mask,
            timestep=time,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0].chunk(2, dim=1)[0]
        return nn.functional.mse_loss(predicted, self._noising.get_velocity(latents, noise, time))

    @torch.no_grad()
    def _embed(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        new = sorted(set(captions) - self._known.keys())
        if new:
            embeds, mask, _, _ = self._pipe.encode_prompt(
                new,
                do_classifier_free_guidance=False,
                device="cpu",
                max_sequence_length=CLIP_LENGTH,
            )
            self._known.update(zip(new, zip(embeds, mask, strict=True), strict=True))
        embeds, mask = zip(*(self._known[caption] for caption in captions), strict=True)
        return torch.stack(embeds), torch.stack(mask)


def train_transformer(
    model: nn.Module,
    loss: Loss,
    latents: Latents,
    phase: Phase,
    text_lengths: list[int],
    generator: torch.Generator,
    checkpoint: Path | None,
    label: str,
) -> nn.Module:
    """Returns the averaged model. `text_lengths` are other lengths that a few steps are given."""
    steps = phase.steps
    optimizers = Optimizers(model, steps, phase.rate)
    progress = Progress(label, steps)
    first = _resume(checkpoint, optimizers, generator)
    progress.start_at(first)
    model.train()
    mean = 1.0
    for step in range(first, steps):
        late = step >= phase.all_sizes_from * steps
        chosen, length = 0, CLIP_LENGTH
        if late:
            chosen = _pick(phase.shares, generator)
            if chosen == 0:
                rare = [0.05] * len(text_lengths)
                length = [CLIP_LENGTH, *text_lengths][_pick([1 - sum(rare), *rare], generator)]
        names, pictures = latents[chosen]
        batch = SIZES[chosen].batch
        rows = torch.randint(len(names), (batch,), generator=generator)
        keep = torch.rand(batch, generator=generator) >= DROPPED_CAPTIONS
        pairs = zip(rows.tolist(), keep.tolist(), strict=True)
        captions = [names[row] if kept else "" for row, kept in pairs]
        value = loss(model, pictures[rows], captions, length)
        optimizers.step(step, value)
        mean += 0.02 * (value.item() - mean)
        progress.show(step + 1, f"loss {mean:.4f}")
        if checkpoint and (step + 1) % 250 == 0:
            state = {"step": step + 1, "generator": generator.get_state()}
            partial = checkpoint.with_suffix(".part")
            torch.save(state | {"optimizers": optimizers.state_dict()}, partial)
            partial.replace(checkpoint)
    return optimizers.averaged


def _resume(checkpoint: Path | None, optimizers: Optimizers, generator: torch.Generator) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    optimizers.load_state_dict(state["optimizers"])
    generator.set_state(state["generator"])
    return state["step"]


def _pick(shares: list[float], generator: torch.Generator) -> int:
    weights = torch.tensor(shares, dtype=torch.float32)
    return int(torch.multinomial(weights, 1, generator=generator))
