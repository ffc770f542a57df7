"""Files written by trireme and by the safetensors package, each read by the other."""

import pathlib
import subprocess

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[3]
COPY = ROOT / "build" / "tests" / "safetensors_copy"
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
          torch.float8_e5m2, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def copy(source, target):
    return subprocess.run([COPY, source, target], capture_output=True, text=True)


def bits(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def test_every_dtype_and_shape_both_ways(tmp_path):
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for dtype in DTYPES:
        for shape in [(), (0,), (1,), (3, 5), (2, 3, 4, 5)]:
            values = torch.randn(shape, generator=generator) * 3
            tensors[f"{dtype}.{shape}"] = values.to(dtype)
    metadata = {"format": "pt", "prompt": "a \"cat\" \u00e9 \u732b\n"}
    save_file(tensors, tmp_path / "python.safetensors", metadata=metadata)
    assert copy(tmp_path / "python.safetensors", tmp_path / "ours.safetensors").returncode == 0
    back = load_file(tmp_path / "ours.safetensors")
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape, name
        assert torch.equal(bits(back[name]), bits(tensor)), name
    with safe_open(tmp_path / "ours.safetensors", "pt") as file:
        assert file.metadata() == metadata


def test_large_tensors(tmp_path):
    tensors = {"w": torch.randn(3000, 1234), "b": torch.randn(4_000_001)}
    save_file(tensors, tmp_path / "python.safetensors")
    assert copy(tmp_path / "python.safetensors", tmp_path / "ours.safetensors").returncode == 0
    back = load_file(tmp_path / "ours.safetensors")
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def with_header(json, data=b""):
    return len(json).to_bytes(8, "little") + json + data


W = b'{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'


@pytest.mark.parametrize("broken", [
    b"", b"1234567", with_header(b"{}")[:-1], with_header(b"[]"), with_header(b"{"),
    with_header(W + b"}", b"1"), with_header(W + b"}", b"123"), with_header(b"{}", b"1"),
    with_header(W.replace(b"U8", b"Z9") + b"}", b"12"), with_header(W.replace(b"[2]", b"[-2]") + b"}", b"12"),
    with_header(W.replace(b"[0,2]", b"[1,3]") + b"}", b"123"), (1 << 40).to_bytes(8, "little") + b"{}",
])
def test_what_python_refuses_is_refused(tmp_path, broken):
    (tmp_path / "broken.safetensors").write_bytes(broken)
    with pytest.raises(Exception):
        load_file(tmp_path / "broken.safetensors")
    ours = copy(tmp_path / "broken.safetensors", tmp_path / "out.safetensors")
    assert ours.returncode == 65
    assert ours.stderr.startswith("[safetensors] ")
    assert not (tmp_path / "out.safetensors").exists()
