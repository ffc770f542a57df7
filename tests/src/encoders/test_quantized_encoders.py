"""Quantized text encoders: beside float32, and beside transformers with bitsandbytes, live."""

import json
import logging
import os
import pathlib
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BitsAndBytesConfig,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENCODE = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/encode"
OUTLIERS = [5, 66]
LEAST_COSINE = {"int8": 0.99, "nf4": 0.97, "fp8": 0.99}
BNB = {
    "int8": BitsAndBytesConfig(load_in_8bit=True),
    # Of three matrices that we multiply as one, one stays numbers.
    "int8-but-v": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["v"]),
    "nf4": BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
    ),
    "nf4-plain": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
}


def realistic(model):
    """As trained encoders are: a few channels stand out far in activations, through their norms, and
    matrices weigh them less; some columns of matrices are larger than others; what a layer adds is
    less than what it is added to."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            spread = torch.randn_like(parameter)
            if parameter.ndim == 1:
                parameter.copy_(0.1 * spread + (1.0 if name.endswith("weight") else 0.0))
                if "norm" in name and name.endswith("weight"):
                    parameter[OUTLIERS] *= 10
            elif "embed" in name or "shared" in name:
                parameter.copy_(spread)
            else:
                parameter.copy_(spread / parameter.shape[1] ** 0.5)
                parameter[:, 7::53] *= 2
                if parameter.shape[1] > max(OUTLIERS):
                    parameter[:, OUTLIERS] /= 5
                if name.endswith((".o.weight", ".wo.weight", "out_proj.weight", "fc2.weight")):
                    parameter.div_(2)
        for name, block in model.named_modules():
            if name.endswith("SelfAttention"):
                block.q.weight.mul_(block.key_value_proj_dim**-0.5)
    return model.eval()


def t5():
    return realistic(T5EncoderModel(T5Config(
        vocab_size=600, d_model=256, d_ff=512, d_kv=32, num_layers=4, num_heads=8,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False)))


def clip():
    return realistic(CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=600, hidden_size=192, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=6, projection_dim=128, hidden_act="quick_gelu", bos_token_id=598,
        eos_token_id=599, pad_token_id=599)))


def ids():
    torch.manual_seed(5)
    tokens = torch.randint(3, 590, (1, 77))
    tokens[0, 40:] = 599
    return tokens


def encode(kind, folder, tmp_path, quantize=None, dtype="float32"):
    save_file({"ids": ids()}, tmp_path / "ids.safetensors")
    command = [ENCODE, kind, folder, tmp_path / "ids.safetensors", tmp_path / "out.safetensors",
               dtype, "0", *([quantize] if quantize else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return load_file(tmp_path / "out.safetensors")


def cosine(a, b):
    return torch.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0).item()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("quantize", LEAST_COSINE)
def test_t5_stays_near_float32(quantize, dtype, tmp_path):
    model = t5()
    model.save_pretrained(tmp_path / "model")
    out = encode("t5", tmp_path / "model", tmp_path, quantize, dtype)["hidden"]
    with torch.no_grad():
        exact = model(ids()).last_hidden_state
    assert out.dtype == getattr(torch, dtype)
    assert LEAST_COSINE[quantize] <= cosine(out, exact) < 1 - 1e-5


@pytest.mark.parametrize("quantize", LEAST_COSINE)
def test_clip_stays_near_float32(quantize, tmp_path):
    model = clip()
    model.save_pretrained(tmp_path / "model")
    out = encode("clip", tmp_path / "model", tmp_path, quantize)
    with torch.no_grad():
        exact = model(ids(), output_hidden_states=True)
    for ours, theirs in [("hidden", exact.hidden_states[-2]), ("pooled", exact.text_embeds)]:
        assert LEAST_COSINE[quantize] <= cosine(out[ours], theirs) < 1 - 1e-6


def saved_by_bitsandbytes(kind, tmp_path):
    """transformers' own model of codes, saved; what it gives, and what float32 gives."""
    model = t5()
    model.save_pretrained(tmp_path / "model")
    quantized = T5EncoderModel.from_pretrained(
        tmp_path / "model", quantization_config=BNB[kind], dtype=torch.float32, device_map="cpu")
    quantized.save_pretrained(tmp_path / "codes")
    with torch.no_grad():
        return quantized(ids()).last_hidden_state, model(ids()).last_hidden_state


@pytest.mark.parametrize("kind", BNB)
def test_a_checkpoint_that_bitsandbytes_saved(kind, tmp_path):
    theirs, exact = saved_by_bitsandbytes(kind, tmp_path)
    names = load_file(tmp_path / "codes" / "model.safetensors").keys()
    assert any(name.endswith("SCB" if "int8" in kind else "absmax") for name in names)
    ours = encode("t5", tmp_path / "codes", tmp_path)["hidden"]
    # They round activations to float16 before they are int8 (some then go another way), and multiply
    # nf4 as bfloat16.
    near, far = ((ours - x).norm() / x.norm() for x in (theirs, exact))
    assert near < (0.8 if "int8" in kind else 0.1) * far
    assert cosine(ours, theirs) > 0.9998


@pytest.mark.parametrize("kind", ["int8", "nf4", "nf4-plain"])
def test_codes_of_a_file_are_what_we_make(kind, tmp_path):
    """But for the embedding and each layer's last matrix, which such a file keeps as numbers."""
    saved_by_bitsandbytes(kind, tmp_path)
    ours = encode("t5", tmp_path / "model", tmp_path, kind.removesuffix("-plain"))["hidden"]
    theirs = encode("t5", tmp_path / "codes", tmp_path)["hidden"]
    assert cosine(ours, theirs) > (0.9995 if kind == "int8" else 0.99)


CONFIGS = {
    "gptq": ({"quant_method": "gptq"}, '"quant_method" is "gptq"'),
    "awq": ({"quant_method": "awq", "bits": 4}, '"quant_method" is "awq"'),
    "fp4": ({"bnb_4bit_quant_type": "fp4"}, '"bnb_4bit_quant_type" is "fp4"'),
    "storage": ({"bnb_4bit_quant_storage": "bfloat16"}, '"bnb_4bit_quant_storage" is "bfloat16"'),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_what_is_not_known_is_refused_by_name(case, tmp_path):
    saved_by_bitsandbytes("nf4", tmp_path)
    changes, message = CONFIGS[case]
    config = json.loads((tmp_path / "codes" / "config.json").read_text())
    config["quantization_config"] |= changes
    (tmp_path / "codes" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError) as refusal:
        encode("t5", tmp_path / "codes", tmp_path)
    assert message in str(refusal.value)


def test_codes_are_not_quantized_again(tmp_path):
    saved_by_bitsandbytes("int8", tmp_path)
    with pytest.raises(ValueError, match="is quantized already"):
        encode("t5", tmp_path / "codes", tmp_path, "nf4")


def test_a_weight_that_fp8_cannot_hold_is_named(tmp_path):
    model = t5()
    with torch.no_grad():
        model.encoder.block[1].layer[1].DenseReluDense.wo.weight[3, 4] = 449
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError) as refusal:
        encode("t5", tmp_path / "model", tmp_path, "fp8")
    assert "encoder.block.1.layer.1.DenseReluDense.wo.weight[3, 4] is 449 ->" in str(refusal.value)
