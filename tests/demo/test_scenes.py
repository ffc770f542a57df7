import pytest
import torch
from scenes import Scene, all_scenes, draw, sample_scenes


def test_a_caption_says_size_colour_shape_place_and_background():
    plain = Scene("star", "orange", "white")
    full = Scene("circle", "blue", "orange", "small", "left")
    assert plain.caption == "an orange star on a white background"
    assert full.caption == "a small blue circle at the left on an orange background"


def test_held_out_triples_are_about_an_eighth_and_in_no_training_scene():
    seen, held = all_scenes(held_out=False), all_scenes(held_out=True)
    assert 0.09 < len(held) / (len(seen) + len(held)) < 0.16
    assert not {s.caption for s in seen} & {s.caption for s in held}
    assert {s.shape for s in held} == {s.shape for s in seen}
    assert {s.colour for s in held} == {s.colour for s in seen}


def test_a_drawing_has_its_colours_where_the_caption_puts_them():
    picture = draw([Scene("square", "white", "black", "small", "left")], 128, 128)[0]
    assert picture.shape == (3, 128, 128)
    left, right = picture[:, :, :64].mean(), picture[:, :, 64:].mean()
    assert left > right + 0.2
    assert picture[:, 64, 30].min() > 0.7
    assert picture[:, 64, 120].max() < -0.7


@pytest.mark.parametrize("height, width", [(96, 160), (160, 96)])
def test_a_circle_stays_round_at_other_sizes(height, width):
    picture = draw([Scene("circle", "white", "black")], height, width)[0, 0]
    inside = picture > 0
    assert inside.any(0).sum() == inside.any(1).sum()


def test_the_same_seed_draws_the_same_jitter():
    scenes = sample_scenes(4, False, torch.Generator().manual_seed(3))
    first = draw(scenes, 64, 64, torch.Generator().manual_seed(1))
    again = draw(scenes, 64, 64, torch.Generator().manual_seed(1))
    other = draw(scenes, 64, 64, torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
