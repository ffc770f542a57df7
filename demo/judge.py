"""Names what a picture shows, by comparison with drawings of everything it could show.

No model is involved. The background is read off the picture's rim, which no object reaches; the
object's colour is the commonest palette colour of what stands out; its shape is the drawn
silhouette that overlaps most with what stands out, over all radii and places. A picture that fits
no silhouette well shows no shape: blobs and several objects get no benefit of the doubt.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from scenes import COLOURS, SHAPES, shape_distance

SIDE = 64  # the short side that pictures are judged at
RIM = 2
STANDS_OUT = 0.3  # distance from the background, of colours in 0..1: over shading and shadow
LEAST_OBJECT = 40  # pixels of 64 x 64
LEAST_OVERLAP = 0.8  # intersection over union; true drawings reach 0.93


@dataclass(frozen=True)
class Verdict:
    """What was seen; `shape` and `colour` are None where no object, or no known one, was found."""

    shape: str | None
    colour: str | None
    background: str
    overlap: float


def judge(picture: Tensor) -> Verdict:
    """A picture [3, height, width] in 0..1 of any size from 64 px on."""
    picture = _shrink(picture)
    left_and_right = torch.cat([picture[:, :, :RIM], picture[:, :, -RIM:]], 2)
    above_and_below = torch.cat([picture[:, :RIM], picture[:, -RIM:]], 1)
    rim = torch.cat([left_and_right.flatten(1), above_and_below.flatten(1)], 1)
    background = _nearest(rim.median(1).values[:, None])[0]
    ground = left_and_right.median(2).values[:, :, None]

    stands_out = (picture - ground).norm(dim=0) > STANDS_OUT
    inner = -functional.max_pool2d(-stands_out[None].float(), 3, 1, 1)[0] > 0
    if inner.sum() < LEAST_OBJECT:
        return Verdict(None, None, background, 0.0)
    names = _nearest(picture[:, inner])
    colour = max(set(names) - {background}, key=names.count, default=None)
    if colour is None:
        return Verdict(None, None, background, 0.0)
    chosen = torch.tensor([name == colour for name in names])
    paint = picture[:, inner][:, chosen].median(1).values[:, None, None]

    direction = paint - ground
    share = ((picture - ground) * direction).sum(0) / (direction**2).sum(0)
    shape, overlap = _best_shape((share > 0.5).float())
    return Verdict(shape if overlap >= LEAST_OVERLAP else None, colour, background, overlap)


def _shrink(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    factor = SIDE / min(height, width)
    size = round(height * factor), round(width * factor)
    shrunk = functional.interpolate(picture[None], size, mode="bilinear", antialias=True)
    return shrunk[0].clamp(0, 1)


def _nearest(colours: Tensor) -> list[str]:
    """The palette's name for each column of [3, n]."""
    palette = torch.tensor(list(COLOURS.values()))
    names = list(COLOURS)
    return [names[i] for i in torch.cdist(colours.T.contiguous(), palette).argmin(1).tolist()]


def _best_shape(mask: Tensor) -> tuple[str, float]:
    names, silhouettes = _silhouettes()
    size = [length + SIDE for length in mask.shape]  # room for every shift without wrapping round
    spectrum = torch.fft.rfft2(mask, size) * _spectra(*size).conj()
    common = torch.fft.irfft2(spectrum, size)
    union = mask.sum() + silhouettes.sum((1, 2))[:, None, None] - common
    overlaps = (common / union).amax((1, 2))
    best = int(overlaps.argmax())
    return names[best], overlaps[best].item()


@cache
def _spectra(height: int, width: int) -> Tensor:
    return torch.fft.rfft2(_silhouettes()[1], (height, width))


@cache
def _silhouettes() -> tuple[list[str], Tensor]:
    """Every shape at every radius that is looked for, each in the middle of its own square."""
    steps = torch.arange(SIDE + 1) - SIDE // 2.0
    radii = [0.14 + 0.015 * i for i in range(23)]
    names = [shape for shape in SHAPES for _ in radii]
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    drawn = [
        shape_distance(shape, x / (r * SIDE), y / (r * SIDE)) < 0 for shape in SHAPES for r in radii
    ]
    return names, torch.stack(drawn).float()
