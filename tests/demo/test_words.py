import pytest
from scenes import all_scenes
from transformers import CLIPTokenizer, T5Tokenizer
from words import CLIP_LENGTH, caption_words, write_clip_tokenizer, write_t5_tokenizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_clip_tokenizer(folder, "!")
    return CLIPTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t5")
    write_t5_tokenizer(folder)
    return T5Tokenizer.from_pretrained(folder)


def test_every_word_is_one_token_in_both(clip, t5):
    for word in caption_words():
        assert len(clip(word).input_ids) == 3, word
        assert len(t5(word).input_ids) == 2, word


def test_the_marks_are_where_the_pipelines_expect_them(clip, t5):
    assert clip.eos_token_id == len(clip) - 1
    assert clip.pad_token_id == clip.convert_tokens_to_ids("!") == 0
    assert (t5.pad_token_id, t5.eos_token_id, t5.unk_token_id) == (0, 1, 2)


def test_the_longest_caption_fits(clip, t5):
    for scene in all_scenes(held_out=True):
        assert len(clip(scene.caption).input_ids) <= CLIP_LENGTH
        assert len(t5(scene.caption).input_ids) <= CLIP_LENGTH


def test_any_other_text_has_a_spelling(clip):
    tokens = clip("Grüße, 42 cats").input_ids
    assert clip.unk_token_id not in tokens[1:-1]
    # CLIP sets every digit and mark apart; the letters come back.
    assert clip.decode(tokens, skip_special_tokens=True).replace(" ", "") == "grüße,42cats"
