"""Checkpoints that are incomplete, damaged or dangerous: each is refused by name, before a picture."""

import json
import os
import pickle
import shutil
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endings import ROOT, Running, ends_soon, leftovers, render, samples, small_job, write_yaml

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
LAST = "proj_out.weight"  # the last stage's
NOT_A_NUMBER = b"\x00\x7e"  # as float16


@dataclass
class Weights:
    """A safetensors file, taken apart without the library, which would not write a bad one."""

    file: Path

    def __post_init__(self) -> None:
        content = self.file.read_bytes()
        end = 8 + struct.unpack("<Q", content[:8])[0]
        self.header: dict[str, Any] = json.loads(content[8:end])
        self.data = bytearray(content[end:])

    def names(self) -> list[str]:
        """In the order of their bytes."""
        tensors = [name for name in self.header if name != "__metadata__"]
        return sorted(tensors, key=lambda name: self.header[name]["data_offsets"])

    def lay(self, name: str, value: bytes) -> None:
        """Over the first element of a tensor."""
        assert self.header[name]["dtype"] == "F16"
        begin = self.header[name]["data_offsets"][0]
        self.data[begin : begin + len(value)] = value

    def save(self) -> None:
        text = json.dumps(self.header).encode()
        self.file.write_bytes(struct.pack("<Q", len(text)) + text + self.data)


Damage = Callable[[Path], None]


def weights(change: Callable[[Weights], None], file: str = TRANSFORMER) -> Damage:
    def damage(model: Path) -> None:
        opened = Weights(model / file)
        change(opened)
        opened.save()

    return damage


def other_shape(file: Weights) -> None:
    file.header[LAST]["shape"].reverse()


def other_dtype(dtype: str) -> Callable[[Weights], None]:
    def change(file: Weights) -> None:
        file.header[LAST]["dtype"] = dtype

    return change


def overlap(file: Weights) -> None:
    second = file.header[file.names()[1]]
    second["data_offsets"] = [offset - 2 for offset in second["data_offsets"]]


def past_the_end(file: Weights) -> None:
    begin, end = file.header[file.names()[-1]]["data_offsets"]
    file.header[file.names()[-1]]["data_offsets"] = [begin + 2, end + 2]


def other_name(file: Weights) -> None:
    file.header["proj_in.weight"] = file.header.pop(LAST)


def not_a_number(name: str) -> Callable[[Weights], None]:
    return lambda file: file.lay(name, NOT_A_NUMBER)


def infinite(file: Weights) -> None:
    file.lay(LAST, b"\x00\x7c")


class Trap:
    """What a pickle may hold: loading it runs the command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch sprung",))


def pickle_alone(model: Path) -> None:
    (model / TRANSFORMER).unlink()
    pickle_inside(model, "transformer/diffusion_pytorch_model.bin")


def pickle_inside(model: Path, file: str = TRANSFORMER) -> None:
    (model / file).write_bytes(pickle.dumps(Trap(), protocol=2) + b"." * 100)


@dataclass(frozen=True)
class Bad:
    """A damage to a demo checkpoint, and what is said about it."""

    name: str
    damage: Damage
    code: int
    says: tuple[str, ...]
    model: str = "sd3"


def remove(file: str) -> Damage:
    def damage(model: Path) -> None:
        path = model / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def cut(file: str, size: int) -> Damage:
    return lambda model: os.truncate(model / file, size)


def text(file: str, content: bytes) -> Damage:
    return lambda model: (model / file).write_bytes(content) and None


T5 = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
CHECKPOINTS = [
    Bad("no weights", remove(TRANSFORMER), 66, ("/transformer", "no .safetensors file", "download")),
    Bad("no config", remove("vae/config.json"), 66, ("vae/config.json", "no such file")),
    Bad("no index", remove("model_index.json"), 66, ("no model_index.json",)),
    Bad("no encoder", remove("text_encoder_3"), 66, ("text_encoder_3", "model_index.json names")),
    Bad("no tokenizer", remove("tokenizer"), 66, ("tokenizer", "model_index.json names")),
    Bad("no t5", remove("text_encoder"), 66, ("text_encoder", "T5EncoderModel"), "pixart"),
    Bad("cut in the data", cut(TRANSFORMER, 100_000), 65, (TRANSFORMER, "100000 of ", "incomplete")),
    Bad("cut in the header", cut(TRANSFORMER, 100), 65, (TRANSFORMER, "header", "incomplete")),
    Bad("empty", cut(TRANSFORMER, 0), 65, (TRANSFORMER, "0 bytes long")),
    Bad("cut t5", cut(T5, 5_000), 65, (T5, "5000 of "), "pixart"),
    Bad("shape", weights(other_shape), 65, (TRANSFORMER, LAST, "has shape [", "is needed")),
    Bad("dtype of another size", weights(other_dtype("F32")), 65, (TRANSFORMER, LAST, "bytes")),
    Bad("whole numbers", weights(other_dtype("I16")), 65, (TRANSFORMER, LAST, "int16")),
    Bad("unknown dtype", weights(other_dtype("F12")), 65, (TRANSFORMER, LAST, "F12")),
    Bad("overlap", weights(overlap), 65, (TRANSFORMER, "overlap", "each byte belongs to one")),
    Bad("past the end", weights(past_the_end), 65, (TRANSFORMER, "data_offsets")),
    Bad("another name", weights(other_name), 65, (TRANSFORMER, LAST, "the model needs it")),
    Bad("nan", weights(not_a_number(LAST)), 65, (TRANSFORMER, LAST, "is nan", "finite")),
    Bad("infinity", weights(infinite), 65, (TRANSFORMER, LAST, "is inf", "finite")),
    Bad(
        "nan in the vae",
        weights(not_a_number("decoder.conv_in.bias"), VAE),
        65,
        (VAE, "decoder.conv_in.bias", "is nan"),
    ),
    Bad(
        "nan in t5",
        weights(not_a_number("encoder.final_layer_norm.weight"), T5),
        65,
        (T5, "encoder.final_layer_norm.weight", "is nan"),
        "pixart",
    ),
    Bad("pickle", pickle_alone, 65, ("pytorch_model.bin", "pickles can run code", "convert it")),
    Bad("pickle inside", pickle_inside, 65, (TRANSFORMER, "pickles can run code")),
    Bad("config is no json", text("vae/config.json", b"{"), 65, ("vae/config.json", "JSON")),
    Bad("index is no text", text("model_index.json", b"\xff\xfe"), 65, ("model_index.json", "JSON")),
    Bad("vocabulary", cut("tokenizer/vocab.json", 50), 65, ("tokenizer/vocab.json", "JSON")),
    Bad(
        "sentencepiece",
        cut("tokenizer/spiece.model", 50),
        65,
        ("tokenizer/spiece.model", "a sentencepiece model"),
        "pixart",
    ),
]


def broken(folder: Path, model: str, damage: Damage) -> dict[str, Any]:
    """A job whose checkpoint has this damage."""
    shutil.copytree(ROOT / "demo" / model, folder / "model")
    damage(folder / "model")
    return small_job(model, model={"path": "model"})


@pytest.mark.parametrize("bad", CHECKPOINTS, ids=lambda bad: bad.name)
def test_is_refused(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    render(broken(tmp_path, bad.model, bad.damage), tmp_path).says(bad.code, *bad.says)
    assert samples(tmp_path) == leftovers(tmp_path) == []
    assert not (tmp_path / "sprung").exists()


def test_the_damages_are_all_that_is_wrong(tmp_path: Path) -> None:
    """A file that is taken apart and put together again is read."""
    job = broken(tmp_path, "sd3", weights(lambda file: None))
    assert render(job, tmp_path).code == 0
    assert samples(tmp_path) == ["out/00000000.png"]


def test_the_trap_would_spring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Trap(), protocol=2))
    assert (tmp_path / "sprung").exists()


def test_a_mended_checkpoint_goes_on_in_the_same_output(tmp_path: Path) -> None:
    render(broken(tmp_path, "sd3", weights(not_a_number(LAST))), tmp_path).says(65)
    shutil.copy(ROOT / "demo" / "sd3" / TRANSFORMER, tmp_path / "model" / TRANSFORMER)
    assert render(small_job(model={"path": "model"}), tmp_path).code == 0
    assert samples(tmp_path) == ["out/00000000.png"]


PIPELINE = {"transformer": {"ranks": "all", "pipeline": 2}, "vae": {"ranks": 1}}


def test_the_rank_that_met_it_is_named(tmp_path: Path) -> None:
    """Only the last stage reads the last layer."""
    job = broken(tmp_path, "sd3", weights(not_a_number(LAST)))
    ending = render(job | {"layout": PIPELINE}, tmp_path, ranks=2)
    ending.says(65, "rank 1 of 2 (", TRANSFORMER, LAST, "is nan")
    ends_soon(ending)
    assert samples(tmp_path) == leftovers(tmp_path) == []


def test_what_all_ranks_meet_is_told_once(tmp_path: Path) -> None:
    ending = render(broken(tmp_path, "sd3", cut("model_index.json", 10)), tmp_path, ranks=2)
    ending.says(65, "rank 0 of 2 (", "model_index.json")
    ends_soon(ending)
    assert samples(tmp_path) == leftovers(tmp_path) == []


def test_a_page_that_is_lost_while_in_use(tmp_path: Path) -> None:
    """Of a mapped file that somebody shortened; the system says it by a signal."""
    job = small_job(prompts=["a red star"] * 500, output={"path": str(tmp_path / "out")})
    running = Running(["render", str(write_yaml(job, tmp_path))])
    while not samples(tmp_path) and running.process.poll() is None:
        time.sleep(0.05)
    running.process.send_signal(signal.SIGBUS)
    running.ending().says(74, "a page of a mapped file could not be had")
