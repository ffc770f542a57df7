"""Codes and scales are those of bitsandbytes, live, to the bit."""

import logging
import os
import pathlib
import subprocess

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # to compile takes seconds a shape

import pytest
import torch
from safetensors.torch import load_file, save_file

logging.disable(logging.WARNING)  # bitsandbytes misses a package that it can do without
import bitsandbytes
import bitsandbytes.functional as bnb

logging.disable(logging.NOTSET)

ROOT = pathlib.Path(__file__).resolve().parents[3]
QUANTIZE = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/quantize"
SHAPES = [(64, 128), (300, 1000), (33, 65), (5, 7), (1, 3), (129, 192), (2048, 1024)]


@pytest.fixture(autouse=True)
def one_thread():
    """The mean of the scales is then a sum in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weight(out, inputs, dtype):
    """Rows of different sizes, a few columns that stand out, and a row of zeros."""
    torch.manual_seed(out + inputs)
    w = torch.randn(out, inputs) * (0.1 + torch.rand(out, 1)) / inputs**0.5
    w[:, ::41] *= 12
    if out > 4:
        w[3] = 0
    return w.to(dtype)


def activations(tokens, width):
    """As float16 holds them, for bitsandbytes makes float16 of them; some columns beyond 6."""
    x = torch.randn(tokens, width)
    x[:, 1::37] *= 10
    return x.half().float()


def quantized(w, kind, tmp_path, x=None):
    x = torch.zeros(1, w.shape[1]) if x is None else x
    save_file({"weight": w, "x": x}, tmp_path / "w.safetensors")
    subprocess.run(
        [QUANTIZE, tmp_path / "w.safetensors", tmp_path / "out.safetensors", kind], check=True
    )
    return load_file(tmp_path / "out.safetensors")


def unpacked(codes, shape):
    flat = torch.stack([codes.flatten() >> 4, codes.flatten() & 15], 1).flatten()
    return flat[: shape[0] * shape[1]].view(shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_int8(shape, dtype, tmp_path):
    w = weight(*shape, dtype)
    ours = quantized(w, "int8", tmp_path)
    codes, scales, _ = bnb.int8_vectorwise_quant(w.float())
    assert torch.equal(ours["scales"], scales)
    assert torch.equal(ours["codes"], codes)
    numbers = bnb.int8_vectorwise_dequant(codes, scales)
    assert torch.allclose(ours["numbers"], numbers, rtol=1e-6, atol=0)


@pytest.mark.parametrize("tokens", [1, 2, 77])
@pytest.mark.parametrize("shape", SHAPES)
def test_llm_int8(shape, tokens, tmp_path):
    w, x = weight(*shape, torch.float16), activations(tokens, shape[1])
    layer = bitsandbytes.nn.Linear8bitLt(
        shape[1], shape[0], bias=False, has_fp16_weights=False, threshold=6.0)
    layer.weight = bitsandbytes.nn.Int8Params(w, requires_grad=False, has_fp16_weights=False)
    with torch.no_grad():
        theirs = layer.to("cpu").eval()(x)
    ours = quantized(w, "int8", tmp_path, x)["product"]
    # They scale by 6.200124e-05 instead of 1 / 127^2.
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
    assert (ours - torch.nn.functional.linear(x, w.float())).norm() > 0.001 * ours.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_nf4(shape, dtype, tmp_path):
    w = weight(*shape, dtype)
    ours = quantized(w, "nf4-plain", tmp_path)
    codes, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4")
    assert torch.equal(ours["codes"], unpacked(codes, shape))
    numbers = bnb.dequantize_4bit(codes, state).float()
    if dtype == torch.float32:
        assert torch.equal(ours["numbers"], numbers)
    else:
        assert torch.equal(ours["numbers"].to(dtype).float(), numbers)


@pytest.mark.parametrize("shape", SHAPES)
def test_nf4_with_double_quantization(shape, tmp_path):
    w = weight(*shape, torch.float32)
    ours = quantized(w, "nf4", tmp_path)
    codes, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=True)
    assert torch.equal(ours["codes"], unpacked(codes, shape))
    assert torch.equal(ours["offset"], state.offset)
    assert torch.equal(ours["nested_absmax"], state.state2.absmax)
    assert torch.equal(ours["nested_quant_map"], state.state2.code)
    # bitsandbytes' kernel for CPUs rounds to the nearest of 256 values by a table that is a little
    # off halfway between them; its way for other types than float32 is exact.
    _, plain = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4")
    centred = plain.absmax - plain.absmax.mean()
    code = bnb.create_dynamic_map()
    nested, nested_absmax = torch.ops.bitsandbytes.quantize_blockwise(centred.double(), code, 256)
    assert torch.equal(nested_absmax.float(), state.state2.absmax)
    different = nested.int() - state.absmax.int()
    assert different.abs().max() <= 1 and (different != 0).float().mean() < 0.01
    if shape[1] % 64 == 0:  # else rows of ours keep a block that two of them touch twice
        assert torch.equal(ours["nested_codes"].flatten(), nested)
    each = torch.arange(nested.numel()) // 256
    scales = code[nested.long()] * state.state2.absmax[each] + state.offset
    spread = scales.repeat_interleave(64)[: w.numel()].view(shape)
    assert torch.equal(ours["numbers"], state.code[ours["codes"].long()] * spread)
