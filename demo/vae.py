"""The autoencoders: eight times smaller on each side as the real ones are, trained on drawings.

The start decides whether such a small budget is enough: with the skip path an identity and the
residual branches nearly silent, the untrained model already passes a coarse picture through, and
training only has to repair it.
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from progress import Progress
from scenes import draw, sample_scenes

# Steps and what they see: (steps, picture side, crop side, batch). Small pictures first: they are
# cheap, and the colours and the skip path settle on them; a few large ones show the attention a
# longer row of places.
PHASES = [(400, 32, 32, 8), (600, 128, 64, 8), (60, 256, 256, 1), (400, 128, 128, 4)]
LEARNING_RATE = 9e-4


def make_vae(latent_channels: int, quant: bool, sample_size: int) -> AutoencoderKL:
    """SD3's kind has 16 channels and no quant convolutions, PixArt-Sigma's 4 and both."""
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[16, 32, 32, 64],
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=2,
        sample_size=sample_size,
        use_quant_conv=quant,
        use_post_quant_conv=quant,
        force_upcast=False,
    )
    _start_as_identity(vae, latent_channels)
    return vae


def _start_as_identity(vae: AutoencoderKL, latent_channels: int) -> None:
    with torch.no_grad():
        for name, module in vae.named_modules():
            if isinstance(module, nn.Conv2d):
                if name.endswith("conv2"):
                    module.weight.mul_(0.1)
                elif not name.endswith("conv1"):
                    nn.init.dirac_(module.weight)
                    nn.init.zeros_(module.bias)
            elif name.endswith("to_out.0"):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)
        last = vae.quant_conv if vae.quant_conv is not None else vae.encoder.conv_out
        last.weight[latent_channels:].zero_()
        last.bias[latent_channels:] = -5.0  # log-variance: the decoder starts with a clear view


def train_vae(vae: AutoencoderKL, scale: float, generator: torch.Generator, label: str) -> None:
    """Train in place, then set the scaling (and for 16 channels the shift) from its own latents."""
    phases = [(max(2, round(steps * scale)), *rest) for steps, *rest in PHASES]
    total = sum(steps for steps, *_ in phases)
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=1e-5)
    progress = Progress(label, total)
    step = 0
    for steps, side, crop, batch in phases:
        for _ in range(steps):
            pictures = _crops(side, crop, batch, generator)
            posterior = vae.encode(pictures).latent_dist
            decoded = vae.decode(posterior.sample(generator)).sample
            loss = _picture_loss(decoded, pictures) + 1e-4 * posterior.kl().mean() / crop
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            progress.show(step, f"loss {loss.item():.4f}")
    vae.eval().requires_grad_(False)
    progress.note(f"held-out drawings: {_decibels(vae):.1f} dB")


def set_latent_scale(vae: AutoencoderKL, generator: torch.Generator) -> None:
    """Latents of unit spread for the transformer; only SD3's pipeline knows a shift."""
    latents = encode(vae, draw(sample_scenes(128, False, generator), 128, 128, generator))
    shift = latents.mean().item() if vae.quant_conv is None else None
    vae.register_to_config(scaling_factor=1 / latents.std().item(), shift_factor=shift)


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The latents' means, not yet shifted or scaled."""
    return torch.cat([vae.encode(part).latent_dist.mean for part in pictures.split(8)])


def _crops(side: int, crop: int, batch: int, generator: torch.Generator) -> Tensor:
    """Scenes of one side length; where the crop is smaller, half windows and half whole scenes."""
    scenes = sample_scenes(batch, False, generator)
    if crop == side:
        return draw(scenes, side, side, generator)
    whole = draw(scenes[: batch // 2], crop, crop, generator)
    large = draw(scenes[batch // 2 :], side, side, generator)
    corners = torch.randint(side - crop + 1, (len(large), 2), generator=generator).tolist()
    windows = [p[:, y : y + crop, x : x + crop] for p, (y, x) in zip(large, corners, strict=True)]
    return torch.cat([whole, torch.stack(windows)])


def _picture_loss(decoded: Tensor, target: Tensor) -> Tensor:
    loss = functional.l1_loss(decoded, target) + functional.mse_loss(decoded, target)
    for axis in (-1, -2):  # edges: a blur costs little by value, so it is charged by slope
        loss = loss + 0.5 * functional.l1_loss(decoded.diff(dim=axis), target.diff(dim=axis))
    return loss


@torch.no_grad()
def _decibels(vae: AutoencoderKL) -> float:
    generator = torch.Generator().manual_seed(1)
    pictures = draw(sample_scenes(16, True, generator), 128, 128, generator)
    decoded = vae.decode(encode(vae, pictures)).sample.clamp(-1, 1)
    return (10 * torch.log10(4 / functional.mse_loss(decoded, pictures))).item()
