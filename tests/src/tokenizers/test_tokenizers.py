"""Token ids equal those of transformers, asked live, for tokenizers of every form of folder."""

import json
import os
import pathlib
import random
import subprocess
import unicodedata

import pytest
import sentencepiece
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))

PROSE = """
a photo of a cat holding a sign that says hello world
A painting of a squirrel eating a burger, oil on canvas, highly detailed, 8k, trending on artstation
the quick brown fox jumps over the lazy dog; the dogs' owner doesn't mind, she's laughing and they've left
e.g. 3.14 10,000 don't we'll I'm you'd 1024x1024 50% off #1 @home x & y a/b c_d [e] {f} (g)
soooooo cute!!!!! aaaaaaaaaaaaaaaaaaaaaaaa 11111111111111111 hahahahahahaha mississippi
café naïve straße Ünïcödé señor smörgåsbord Ω ohm Å angstrom ½ cup ﬁne ﬂow
Ｆｕｌｌ ｗｉｄｔｈ １２３ ﾊﾝｶｸ カタカナ ひらがな 漢字 日本語のプロンプト 中文提示 한국어 프롬프트
Привет мир, фотография кота. Γειά σου Κόσμε ΌΣΟΣ. שלום עולם مرحبا بالعالم ١٢٣ नमस्ते दुनिया १२३ สวัสดี
q\u0301 q\u0301 \u0301 a mark that composes with nothing before it
"curly quotes" “double” ‘single’ «guillemets» — em – en … ellipsis • bullet © ® ™ ° € £ ¥
""".strip().split("\n")

SPECIALS = ["<|endoftext|>", "<|startoftext|>", "<|ENDOFTEXT|>", "</s>", "<pad>", "<unk>", "<s>", "!",
            "<extra_id_0>", "<extra_id_1>", "<extra_id_99>", "<extra_id_100>", "<person>", "<|custom|>"]

HAND_MADE = PROSE + [
    "", " ", "   ", "\n", "\t\n\r\v\f", "a", "!", "!!", "a!b", "wow! yes!!", " a", "a ", "  multiple   spaces\tand\nnewline ",
    "x\u00a0y", "x\u200by", "x\u200cy\u200dz", "x\u2028y\u2029z", "x\u0085y", "x\u3000y", "x\u180ey", "\ufeffbom", "x\u2060y",
    "\x00", "a\x00b", "\x01\x02\x1f\x7f", "a\x1cb\x1db\x1eb\x1fb", "\x80\x9f", "\u00ad soft\u00adhyphen",
    "İstanbul ıI İİ", "ẞ ß ǅ ǆ ﬀ ŉ", "Ǆ Σ ΌΣΟΣ ΣΑΣ Σ", "K Å Ω", "e\u0301 \u0301 a\u030a\u0301 q\u0307\u0323 q\u0323\u0307",
    "\u1100\u1161\u11a8 각", "\u0915\u093c \u0958", "\u2126 \u212b", "s\u0323\u0307 ṩ", "\u0344 \u0340 \u0341 \u0374 \u037e \u0387",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ ☺︎ 🏳️‍🌈 1️⃣", "☃★♥→∞≠", "½⅓²³¹₁①⑴ⅣⅬ㊀㍿㎏", "٠١٢٣ ०१२ ๑๒ 𝟘𝟙 𝔘𝔫𝔦 𝕬",
    "'s 't 're 've 'm 'll 'd 'S 'RE", "it's'll", "''s", "!'s", "don''t", "'", "a'b'c", "’s", "rock'n'roll 'em",
    "▁", "▁▁a", "a▁b", "a▁", " ▁ ", "▁a ▁", "<", "<|", "|>", "<|endoftext|", "endoftext|>", "<|endoftext|>'s!", "!<|endoftext|>!",
    "<|EndOfText|>!!", "x<|ENDOFTEXT|>'s", "<extra_id_", "<extra_id_0", "< extra_id_0 >", "<EXTRA_ID_0>", "<|endoftext|><|endoftext|>",
    "</s> a", "a <pad> b", "a<pad>b", "<extra_id_0> hi", "hi <extra_id_0>", "a <extra_id_0> b", "a  <extra_id_1>  b", "a<extra_id_0>b",
    "a" * 500, "ab" * 400, "1" * 300, "!" * 200, "?" * 300, "é" * 300, "日" * 200, "aaab" * 100, "ha " * 300, "x" * 3000, "🐈" * 100,
    "¡¿", "r\r\nn", "a\r\nb\r", "ﬁ\u0301 ½\u0301 ﷺ ㌀ ｶﾞ ﾊﾟ", "\u0897 a\u0897 ½\u0897", "℀ ℠ №", "\ud7a4 \U0001fbf9 \U00011938 \U00011935\U00011930",
]


def random_texts(count, seed=20):
    """Words, specials, and characters of all planes glued at random."""
    rng = random.Random(seed)
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    marks = [c for c in assigned if unicodedata.category(chr(c)).startswith("M")]
    letters = [c for c in assigned if unicodedata.category(chr(c)) in ("Lu", "Lt", "Ll") and c < 0x20000]
    words = " ".join(PROSE).split()
    pools = [
        lambda: chr(rng.choice(assigned)), lambda: chr(rng.choice(marks)), lambda: chr(rng.choice(letters)),
        lambda: chr(rng.choice([c for c in range(rng.randrange(0, 0x3000, 0x80), 0x3000)][:0x80])),
        lambda: rng.choice(words), lambda: rng.choice(SPECIALS), lambda: rng.choice(" \t\n\u00a0\u3000  "),
        lambda: rng.choice("abcdefghij0123456789!?.,'\"-"), lambda: rng.choice(words) + " ",
        lambda: chr(rng.randrange(0xD800)), lambda: chr(rng.randrange(0xE000, 0x110000)), lambda: rng.choice("aab1") * rng.randrange(1, 9),
        lambda: chr(rng.choice(letters)) + chr(rng.choice(marks)),
    ]
    return ["".join(rng.choice(pools)() for _ in range(rng.randrange(1, 30))) for _ in range(count)]


TEXTS = HAND_MADE + SPECIALS + [a + b + c for a in SPECIALS for b, c in (("", "x"), (" ", "!"), ("!", ""), ("\n", " y"))]
TEXTS += random_texts(1500)


def train_clip():
    """A byte-level BPE of CLIP's kind: vocabulary and merges."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=1200, end_of_word_suffix="</w>", show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(PROSE * 3 + [" ".join(PROSE)], trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    symbols = ["!"] + [c for c in sorted(pre_tokenizers.ByteLevel.alphabet()) if c != "!"]
    vocabulary = symbols + [c + "</w>" for c in symbols]
    merges = [tuple(pair) for pair in learnt["merges"]]
    known = set(vocabulary)
    vocabulary += [m for m in dict.fromkeys(a + b for a, b in merges) if m not in known]
    return {token: i for i, token in enumerate(vocabulary + ["<|startoftext|>", "<|endoftext|>"])}, merges


def added(content, normalized=False, **more):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False,
            "special": True, **more}


CLIP_NAMES = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}


def write_clip(folder, config, special_tokens_map=None, comment="#version: 0.2\n"):
    folder.mkdir()
    vocabulary, merges = train_clip()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text(comment + "".join(f"{a} {b}\n" for a, b in merges))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **config}))
    if special_tokens_map:
        (folder / "special_tokens_map.json").write_text(json.dumps(special_tokens_map))
    return folder


def write_t5(folder, config, **training):
    folder.mkdir()
    (folder / "corpus.txt").write_text("\n".join(PROSE * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "spiece"), model_type="unigram", pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, minloglevel=2, hard_vocab_limit=False, **{"vocab_size": 500, **training})
    (folder / "spiece.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "model_max_length": 512, **config}))
    return folder


def ids_decoder(names, **more):
    vocabulary, _ = train_clip()
    return {str(vocabulary[n]): added(n, **more) for n in names}


CASES = {
    # demo: as the demo checkpoints come
    "demo_clip": lambda path: (CLIPTokenizer, ROOT / "demo/sd3/tokenizer"),
    "demo_clip_2": lambda path: (CLIPTokenizer, ROOT / "demo/sd3/tokenizer_2"),
    "demo_t5": lambda path: (T5Tokenizer, ROOT / "demo/sd3/tokenizer_3"),
    "demo_pixart": lambda path: (T5Tokenizer, ROOT / "demo/pixart/tokenizer"),
    # the released forms: the config lists added tokens, normalized or not; "!" is special in tokenizer_2
    "clip_listed": lambda path: (CLIPTokenizer, write_clip(path, {
        **CLIP_NAMES, "added_tokens_decoder": ids_decoder(["<|startoftext|>", "<|endoftext|>"], normalized=True)})),
    "clip_listed_2": lambda path: (CLIPTokenizer, write_clip(path, {
        **CLIP_NAMES, "pad_token": "!", "added_tokens_decoder": {
            **ids_decoder(["<|startoftext|>"], normalized=True), **ids_decoder(["!", "<|endoftext|>"])}})),
    "clip_map": lambda path: (CLIPTokenizer, write_clip(
        path, {"bos_token": {"__type": "AddedToken", **added("<|startoftext|>", True)}},
        {"bos_token": added("<|startoftext|>", True), "eos_token": added("<|endoftext|>", True), "unk_token": added("<|endoftext|>", True),
         "pad_token": "<|endoftext|>"})),
    "clip_bare": lambda path: (CLIPTokenizer, write_clip(path, {})),
    "clip_custom": lambda path: (CLIPTokenizer, write_clip(path, {
        **CLIP_NAMES, "pad_token": "<pad>", "additional_special_tokens": ["<|custom|>", "!"]})),
    "clip_strip": lambda path: (CLIPTokenizer, write_clip(path, {**CLIP_NAMES, "added_tokens_decoder": {
        **ids_decoder(["<|endoftext|>"], lstrip=True, rstrip=True), "5000": added("<Person>", True, single_word=True)}})),
    "t5_nfkc": lambda path: (T5Tokenizer, write_t5(path, {})),
    "t5_nfkc_listed": lambda path: (T5Tokenizer, write_t5(path, {
        "extra_ids": 100, "additional_special_tokens": [f"<extra_id_{i}>" for i in range(100)], "eos_token": "</s>",
        "added_tokens_decoder": {"0": added("<pad>"), "1": added("</s>"), "2": added("<unk>"),
                                 **{str(599 - i): added(f"<extra_id_{i}>", lstrip=True, rstrip=True) for i in range(100)}}})),
    "t5_user_defined": lambda path: (T5Tokenizer, write_t5(path, {"extra_ids": 3}, user_defined_symbols=["<|custom|>", "cat"])),
    "t5_nfkc_cf": lambda path: (T5Tokenizer, write_t5(path, {"extra_ids": 0}, normalization_rule_name="nmt_nfkc_cf")),
    "t5_identity": lambda path: (T5Tokenizer, write_t5(path, {"extra_ids": 10}, normalization_rule_name="identity")),
}


@pytest.fixture(scope="module", params=[f"{name}{form}" for name in CASES for form in ("", "-saved", "-strings")])
def case(request, tmp_path_factory):
    """transformers' tokenizer and the folder that trireme reads: as it came, or as transformers 5 saves it."""
    name, _, form = request.param.partition("-")
    path = tmp_path_factory.mktemp(name)
    kind, folder = CASES[name](path / "plain")
    reference = kind.from_pretrained(folder)
    if form:
        folder = path / "saved"
        reference.save_pretrained(folder)
        assert not (folder / "vocab.json").exists() and not (folder / "spiece.model").exists()
        if form == "strings":  # merges as older files have them
            saved = json.loads((folder / "tokenizer.json").read_text())
            saved["model"]["merges"] = [" ".join(pair) for pair in saved["model"].get("merges", [])]
            if kind is T5Tokenizer:
                saved["model"].pop("merges")
                saved["normalizer"] = saved["normalizer"] and {"type": "Sequence", "normalizers": [
                    {"type": "Strip", "strip_left": False, "strip_right": True}, saved["normalizer"]]}
            (folder / "tokenizer.json").write_text(json.dumps(saved))
        reference = kind.from_pretrained(folder)
    return reference, folder


def tokenize(folder, texts, *length):
    stdin = "\n".join(json.dumps(t) for t in texts)
    done = subprocess.run([BUILD / "tests/tokenize", folder, *map(str, length)], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(texts, ours, theirs):
    assert len(ours) == len(theirs)
    return [(t, a, b) for t, a, b in zip(texts, ours, theirs) if a != b]


def test_ids_of_any_text(case):
    reference, folder = case
    assert differences(TEXTS, tokenize(folder, TEXTS), reference(TEXTS)["input_ids"]) == []


@pytest.mark.parametrize("length", [5, 16, 77])
def test_padding_and_truncation(case, length):
    reference, folder = case
    texts = PROSE + HAND_MADE
    theirs = reference(texts, padding="max_length", max_length=length, truncation=True)["input_ids"]
    assert differences(texts, tokenize(folder, texts, length), theirs) == []


# A saved folder is read by other code than a plain one; how its merges are written matters to none.
@pytest.mark.parametrize("case", [f"{name}{form}" for name in CASES for form in ("", "-saved")], indirect=True)
def test_every_character(case):
    """Each character of Unicode between letters, and around a sign that is replaced together with the marks after it."""
    reference, folder = case
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not 0xE0200 <= c]
    texts = [" ".join(f"a{c}b ½{c}½\u0301{c}" for c in characters[i:i + 64]) for i in range(0, len(characters), 64)]
    assert differences(texts, tokenize(folder, texts), reference(texts)["input_ids"]) == []
