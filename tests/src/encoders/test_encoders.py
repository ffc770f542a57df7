"""Text encoders with random weights beside transformers, live."""

import os
import pathlib
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENCODE = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/encode"


def randomized(model):
    """Random everywhere: no bias of zero and no norm of one could hide a mistake."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        spread = torch.randn_like(parameter)
        if parameter.ndim == 1:
            parameter.data = 0.1 * spread + (1.0 if name.endswith("weight") else 0.0)
        else:
            parameter.data = spread / parameter.shape[-1] ** 0.5
    return model.eval()


def clip(eos):
    return randomized(CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=1000, hidden_size=96, intermediate_size=200, num_hidden_layers=4,
        num_attention_heads=6, projection_dim=64, hidden_act="gelu", max_position_embeddings=77,
        bos_token_id=998, eos_token_id=eos, pad_token_id=999)))


def t5():
    return randomized(T5EncoderModel(T5Config(
        vocab_size=500, d_model=96, d_ff=250, d_kv=16, num_layers=3, num_heads=7,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False)))


def encode(kind, model, tmp_path, inputs, dtype="float32", *more):
    model.save_pretrained(tmp_path / "model")
    save_file(inputs, tmp_path / "ids.safetensors")
    subprocess.run([ENCODE, kind, tmp_path / "model", tmp_path / "ids.safetensors",
                    tmp_path / "out.safetensors", dtype, *map(str, more)], check=True)
    return load_file(tmp_path / "out.safetensors")


def assert_equal_to_rounding(actual, expected, limit=2e-6):
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).norm() / expected.double().norm()
    assert error <= limit, f"relative error {error:.2e}"


@pytest.mark.parametrize("eos", [2, 999])
@pytest.mark.parametrize("clip_skip", [0, 2])
def test_clip(tmp_path, eos, clip_skip):
    model = clip(eos)
    ids = torch.randint(3, 990, (3, 77))
    ids[0, 9:], ids[1, 30:], ids[2, 76:] = 999, 0, 999
    ids[1, 30] = 999
    out = encode("clip", model, tmp_path, {"ids": ids}, "float32", clip_skip)
    with torch.no_grad():
        expected = model(ids, output_hidden_states=True)
    assert_equal_to_rounding(out["hidden"], expected.hidden_states[-(clip_skip + 2)])
    assert_equal_to_rounding(out["pooled"], expected.text_embeds)


@pytest.mark.parametrize("masked", [False, True])
def test_t5(tmp_path, masked):
    model = t5()
    ids = torch.randint(2, 500, (2, 200))
    mask = torch.ones_like(ids)
    if masked:
        mask[0, 17:], mask[1, 150:] = 0, 0
    out = encode("t5", model, tmp_path, {"ids": ids, "mask": mask} if masked else {"ids": ids})
    with torch.no_grad():
        expected = model(ids, attention_mask=mask if masked else None).last_hidden_state
    assert_equal_to_rounding(out["hidden"], expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_t5_in_half_types_is_as_good_as_transformers(tmp_path, dtype):
    model = t5()
    ids = torch.randint(2, 500, (1, 64))
    with torch.no_grad():
        exact = model(ids).last_hidden_state
        out = encode("t5", model, tmp_path, {"ids": ids}, dtype)["hidden"]
        theirs = T5EncoderModel.from_pretrained(
            tmp_path / "model", dtype=getattr(torch, dtype))(ids).last_hidden_state
    assert out.dtype == theirs.dtype
    error, their_error = ((x.float() - exact).norm() for x in (out, theirs))
    assert error <= 1.1 * their_error
