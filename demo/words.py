"""The demo models' own tokenizers: a byte-level CLIP BPE and a sentencepiece unigram model.

Both are trained on the captions alone, so every word of a caption is one token and anything else
still has a spelling.
"""

import io
import json
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from scenes import COLOURS, PLACES, SHAPES, SIZES

CLIP_LENGTH = 16  # the longest caption has 12 words, and two marks
EXTRA_WORDS = ["and", "picture", "of", "with", "in", "middle", "shape", "big", "tiny"]


def caption_words() -> list[str]:
    """Every word of a caption and a few that a user may well try."""
    return [
        *["a", "an", "on", "at", "the", "background"],
        *[word for table in (SHAPES, COLOURS, SIZES, PLACES) for word in table if word],
        *EXTRA_WORDS,
    ]


def write_clip_tokenizer(folder: Path, pad_token: str) -> None:
    """vocab.json and merges.txt in CLIP's order: bytes, bytes at a word's end, merges, marks."""
    bpe = tokenizers.Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=4096, end_of_word_suffix="</w>", show_progress=False, min_frequency=1
    )
    bpe.train_from_iterator(caption_words(), trainer)
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]

    letters = _byte_letters()
    entries = [*letters, *(letter + "</w>" for letter in letters)]
    entries += [first + second for first, second in merges]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    marks = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": pad_token,
    }
    _write_json(folder / "special_tokens_map.json", marks)
    config = {
        "add_prefix_space": False,
        **marks,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": CLIP_LENGTH,
        "tokenizer_class": "CLIPTokenizer",
    }
    _write_json(folder / "tokenizer_config.json", config)


def _byte_letters() -> list[str]:
    """A printable letter for each of the 256 bytes: printable bytes first, as CLIP numbers them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def write_t5_tokenizer(folder: Path) -> None:
    """spiece.model: unigram, pad 0, end 1, unknown 2; identity normalisation keeps it at 2 KB."""
    # A piece becomes a whole word only where the word is met in several surroundings.
    lines = [f"{word} {word}, {word}. {word}s {word}-{word}" for word in caption_words()]
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789,.!?'-"
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 20 + [" ".join(alphabet)]),
        model_writer=model,
        model_type="unigram",
        vocab_size=160,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.getvalue())
    marks = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    _write_json(folder / "special_tokens_map.json", marks)
    config = {
        **marks,
        "extra_ids": 0,
        "additional_special_tokens": [],
        "model_max_length": 512,
        "tokenizer_class": "T5Tokenizer",
        "legacy": True,
    }
    _write_json(folder / "tokenizer_config.json", config)


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
