"""The world the demo models draw: one object on a background, its captions and its pictures.

Everything that names or draws a scene stands here, so that training, evaluation and the tests speak
of the same thing. Pictures are signed-distance drawings and need no data set.
"""

import itertools
import math
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.95, 0.55, 0.10),
    "yellow": (0.96, 0.85, 0.12),
    "green": (0.13, 0.65, 0.25),
    "blue": (0.15, 0.30, 0.85),
    "purple": (0.55, 0.20, 0.70),
    "black": (0.07, 0.07, 0.08),
    "white": (0.95, 0.95, 0.95),
}
SIZES: dict[str, float] = {"": 0.30, "small": 0.20, "large": 0.40}  # radius / short side
PLACES: dict[str, tuple[int, int]] = {
    "": (0, 0),
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
}
MARGIN = 0.07  # between an object at a side and that side, of the short side


def _ring(radii: list[float]) -> Tensor:
    """Corners at equal angles from straight up, clockwise, at the given radii."""
    angles = torch.arange(len(radii)) * (2 * math.pi / len(radii))
    return torch.stack([angles.sin(), -angles.cos()], 1) * torch.tensor(radii)[:, None]


# Corners in units of the radius; the circle has none. Areas are near each other, so that the size
# of a blob does not give its shape away.
SHAPES: dict[str, Tensor | None] = {
    "circle": None,
    "square": torch.tensor([[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]]),
    "triangle": _ring([1.2] * 3) + torch.tensor([0.0, 0.25]),
    "star": _ring([1.15, 0.5] * 5) + torch.tensor([0.0, 0.08]),
}


@dataclass(frozen=True)
class Scene:
    """What a caption says; the empty size and place are the plain size and the middle."""

    shape: str
    colour: str
    background: str
    size: str = ""
    place: str = ""

    @property
    def caption(self) -> str:
        """The one sentence for this scene, such as "a small red star at the left on a ..."."""
        words = [_with_article(f"{self.size} {self.colour} {self.shape}".strip())]
        if self.place:
            words.append(f"at the {self.place}")
        return f"{' '.join(words)} on {_with_article(self.background)} background"

    @property
    def held_out(self) -> bool:
        """True for one eighth of the (shape, colour, background) triples: no training sees them."""
        return zlib.crc32(f"{self.shape} {self.colour} {self.background}".encode()) % 8 == 0


def _with_article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def all_scenes(held_out: bool) -> list[Scene]:
    """Every scene of one side of the split, in a fixed order."""
    scenes = (
        Scene(*parts) for parts in itertools.product(SHAPES, COLOURS, COLOURS, SIZES, PLACES)
    )
    return [s for s in scenes if s.colour != s.background and s.held_out == held_out]


def sample_scenes(count: int, held_out: bool, generator: torch.Generator) -> list[Scene]:
    """Random scenes: half of them of plain size, six of ten in the middle, all else even."""
    pool = all_scenes(held_out)
    weights = torch.tensor(
        [(2.0 if not s.size else 1.0) * (6.0 if not s.place else 1.0) for s in pool]
    )
    picks = torch.multinomial(weights, count, replacement=True, generator=generator)
    return [pool[i] for i in picks.tolist()]


def shape_distance(shape: str, x: Tensor, y: Tensor) -> Tensor:
    """Signed distance to a shape of radius 1 at the origin, negative inside."""
    corners = SHAPES[shape]
    if corners is None:
        return (x * x + y * y).sqrt() - 1
    nearest = torch.full_like(x, math.inf)
    inside = torch.zeros_like(x, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(corners.tolist(), corners.roll(-1, 0).tolist(), strict=True):
        ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
        along = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0, 1)
        nearest = torch.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        if ey != 0:  # a ray to the right crosses this edge: inside and outside change places
            inside ^= ((ay > y) != (by > y)) & (x < ax + ex * (y - ay) / ey)
    return torch.where(inside, -nearest.sqrt(), nearest.sqrt())


def draw(
    scenes: list[Scene], height: int, width: int, generator: torch.Generator | None = None
) -> Tensor:
    """Pictures [n, 3, height, width] in -1..1; the generator, where there is one, adds jitter."""
    pictures = torch.empty(len(scenes), 3, height, width)
    jitter = torch.zeros(len(scenes), 3)
    if generator is not None:
        jitter = torch.randn(len(scenes), 3, generator=generator).clamp(-2, 2)
    for shape in SHAPES:
        rows = [i for i, s in enumerate(scenes) if s.shape == shape]
        if rows:
            same = [scenes[i] for i in rows]
            pictures[rows] = _draw_shape(shape, same, height, width, jitter[rows])
    return pictures


def _draw_shape(shape: str, scenes: list[Scene], height: int, width: int, jitter: Tensor) -> Tensor:
    short = min(height, width)
    radius = torch.tensor([SIZES[s.size] for s in scenes]) * short * (1 + 0.04 * jitter[:, 2])
    place = torch.tensor([PLACES[s.place] for s in scenes], dtype=torch.float32)
    room = torch.tensor([width, height]) / 2 - radius[:, None] - MARGIN * short
    centre = torch.tensor([width, height]) / 2 + place * room + 0.015 * short * jitter[:, :2]

    rows = torch.arange(height)[None, :, None] + 0.5
    columns = torch.arange(width)[None, None, :] + 0.5
    scale = radius[:, None, None]
    x = ((columns - centre[:, 0, None, None]) / scale).expand(-1, height, width)
    y = ((rows - centre[:, 1, None, None]) / scale).expand(-1, height, width)

    ground = torch.tensor([COLOURS[s.background] for s in scenes])[:, :, None, None]
    ground = ground + (0.05 - 0.10 * rows / height)[:, None]
    shadow = torch.sigmoid(-12 * shape_distance(shape, x - 0.08, y - 0.12))
    ground = ground * (1 - 0.3 * shadow[:, None])
    paint = torch.tensor([COLOURS[s.colour] for s in scenes])[:, :, None, None]
    paint = paint - 0.06 * (x + y)[:, None].clamp(-1.5, 1.5)
    cover = (0.5 - shape_distance(shape, x, y) * scale).clamp(0, 1)[:, None]
    return ((ground + (paint - ground) * cover) * 2 - 1).clamp(-1, 1)
