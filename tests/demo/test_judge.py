import pytest
import torch
from judge import judge
from scenes import Scene, draw, sample_scenes
from torch.nn import functional


def seen(picture):
    verdict = judge(picture)
    return verdict.shape, verdict.colour, verdict.background


def drawings(count, height, width):
    generator = torch.Generator().manual_seed(11)
    scenes = sample_scenes(count, True, generator) + sample_scenes(count, False, generator)
    pictures = (draw(scenes, height, width, generator) + 1) / 2
    return [(s.shape, s.colour, s.background) for s in scenes], pictures


@pytest.mark.parametrize("height, width", [(128, 128), (96, 160), (160, 96), (256, 256)])
def test_every_true_drawing_is_named_right(height, width):
    truths, pictures = drawings(60, height, width)
    assert [seen(picture) for picture in pictures] == truths


def test_blurred_and_noisy_drawings_are_still_named_right():
    truths, pictures = drawings(40, 128, 128)
    noise = 0.03 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    blurred = functional.avg_pool2d(pictures, 5, 1, 2, count_include_pad=False) + noise
    right = [seen(p.clamp(0, 1)) == truth for p, truth in zip(blurred, truths, strict=True)]
    assert sum(right) >= 0.97 * len(right)


def test_a_stretched_circle_is_no_circle():
    picture = (draw([Scene("circle", "red", "white")], 128, 128) + 1) / 2
    stretched = functional.interpolate(picture, (128, 208), mode="bilinear")[0]
    assert judge(stretched).shape is None
    assert judge(picture[0]).shape == "circle"


def test_two_objects_are_no_shape():
    scenes = [Scene("star", "red", "white", "", place) for place in ("left", "right")]
    left, right = draw(scenes, 96, 160)
    both = (torch.cat([left[:, :, :80], right[:, :, 80:]], 2) + 1) / 2
    assert judge(both).shape is None


def test_an_empty_picture_and_noise_show_nothing():
    empty = torch.full((3, 128, 128), 0.95)
    assert seen(empty) == (None, None, "white")
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert judge(noise).shape is None
