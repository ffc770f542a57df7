"""The demo's jobs with quantized components stay near the plain pictures, on one rank and on two."""

import logging
import shutil
from pathlib import Path

import bitsandbytes.nn as bnb
import pytest
import torch
from diffusers import SD3Transformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import BitsAndBytesConfig, T5EncoderModel

from checkpoints import change_json
from program import ROOT, Job, Run, render

T5 = {"sd3": "text_encoder_3", "pixart": "text_encoder"}
SAMPLING = {"height": 128, "width": 128, "num_inference_steps": 10, "max_sequence_length": 16}
CASES = [
    (demo, component, kind)
    for demo in T5
    for component, kinds in [("t5", ["int8", "nf4", "fp8"]), ("transformer", ["int8", "nf4"])]
    for kind in kinds
]
# Root mean square of the difference, as a part of the spread.
FARTHEST = {"int8": 0.1, "fp8": 0.25, "nf4": 0.4}


def job(demo: str, components: dict[str, object], ranks: int = 1) -> Job:
    layout: Job = {}
    if ranks > 1:
        split = {"ranks": "all", "tensor": ranks}
        layout = {"layout": {"text_encoders": split, "transformer": split}}
    return {
        "model": {"path": str(ROOT / "demo" / demo), "components": components},
        "prompts": ["a large red star on a black background"],
        "sampling": SAMPLING,
        "stages": ["encode", "denoise"],
        "output": {"format": "latents"},
    } | layout


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).square().mean().sqrt() / theirs.std()).item()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return {
        demo: render(job(demo, {}), tmp_path_factory.mktemp(demo)).ok.latents(0) for demo in T5
    }


@pytest.mark.parametrize(("demo", "component", "kind"), CASES)
def test_near_the_plain_picture(
    demo: str, component: str, kind: str, plain: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    name = T5[demo] if component == "t5" else component
    components = {name: {"quantize": kind}}
    one = render(job(demo, components), tmp_path / "one").ok.latents(0)
    two = render(job(demo, components, ranks=2), tmp_path / "two", ranks=2).ok.latents(0)
    print(f"{demo} {component} {kind}: {apart(one, plain[demo]):.4f}, {apart(two, one):.1e}")
    assert 1e-4 < apart(one, plain[demo]) < FARTHEST[kind]
    # The codes are the same; activations that lie between two codes may go either way.
    assert apart(two, one) < (0.005 if (component, kind) == ("t5", "int8") else 2e-5)


def test_every_component_at_once_in_a_half_type(
    plain: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    components = {
        "text_encoder": {"quantize": "int8"},
        "text_encoder_2": {"quantize": "fp8"},
        "text_encoder_3": {"quantize": "nf4", "double_quant": False},
        "transformer": {"quantize": "int8"},
    }
    asked = job("sd3", components)
    asked["model"]["dtype"] = "bfloat16"
    latents = render(asked, tmp_path).ok.latents(0)
    assert 1e-3 < apart(latents.float(), plain["sd3"]) < FARTHEST["nf4"]


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_text_encoder_that_bitsandbytes_saved(
    kind: str, plain: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    config = {
        "int8": BitsAndBytesConfig(load_in_8bit=True),
        "nf4": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        ),
    }[kind]
    folder = ROOT / "demo" / "sd3" / "text_encoder_3"
    T5EncoderModel.from_pretrained(
        folder, quantization_config=config, dtype=torch.float32, device_map="cpu"
    ).save_pretrained(tmp_path / "codes")
    components = {"text_encoder_3": {"path": str(tmp_path / "codes")}}
    one = render(job("sd3", components), tmp_path / "one").ok.latents(0)
    two = render(job("sd3", components, ranks=2), tmp_path / "two", ranks=2).ok.latents(0)
    assert 1e-4 < apart(one, plain["sd3"]) < FARTHEST[kind]
    assert apart(two, one) < 0.02
    again = {"text_encoder_3": {"path": str(tmp_path / "codes"), "quantize": "int8"}}
    refused = render(job("sd3", again), tmp_path / "again")
    assert refused.code == 78
    assert "is quantized already -> what its files hold is used as it is" in refused.stderr


def with_codes(model: nn.Module, kind: str) -> nn.Module:
    """bitsandbytes' layers in the place of linear ones, as diffusers puts them there on a GPU."""
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, nn.Linear) or name == "proj_out":
            continue
        shape, bias = (layer.in_features, layer.out_features), layer.bias is not None
        weight = layer.weight.detach()
        if kind == "int8":
            new = bnb.Linear8bitLt(*shape, bias, has_fp16_weights=False, threshold=6.0)
            new.weight = bnb.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
        else:
            new = bnb.Linear4bit(*shape, bias, quant_type="nf4")
            new.weight = bnb.Params4bit(weight, requires_grad=False, quant_type="nf4")
        new.bias = layer.bias
        model.set_submodule(name, new.to("cpu"))
    return model


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_transformer_of_codes(
    kind: str, plain: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    model = SD3Transformer2DModel.from_pretrained(ROOT / "demo" / "sd3" / "transformer")
    codes = tmp_path / "codes"
    shutil.copytree(ROOT / "demo" / "sd3" / "transformer", codes)
    tensors = with_codes(model, kind).state_dict()
    dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(dense, codes / "diffusion_pytorch_model.safetensors")
    way = {"load_in_8bit": True} if kind == "int8" else {"load_in_4bit": True}
    config = {"quant_method": "bitsandbytes", "bnb_4bit_quant_type": "nf4"} | way
    change_json(codes / "config.json", quantization_config=config)
    components = {"transformer": {"path": str(codes)}}
    one = render(job("sd3", components), tmp_path / "one").ok.latents(0)
    two = render(job("sd3", components, ranks=2), tmp_path / "two", ranks=2).ok.latents(0)
    assert 1e-4 < apart(one, plain["sd3"]) < FARTHEST[kind]
    assert apart(two, one) < 2e-5


def refusal(components: dict[str, object], folder: Path) -> Run:
    run = render(job("sd3", components), folder)
    assert run.code == 78
    assert not run.folder.exists()
    shutil.rmtree(folder)
    return run


def test_what_cannot_be_quantized_is_refused_at_once(tmp_path: Path) -> None:
    vae = refusal({"vae": {"quantize": "int8"}}, tmp_path / "vae").stderr
    assert '[model.components.vae.quantize] "int8" -> only linear layers are quantized' in vae
    tokenizer = refusal({"tokenizer_3": {"quantize": "nf4"}}, tmp_path / "tokenizer").stderr
    assert '[model.components.tokenizer_3.quantize] "nf4" -> it has no weights' in tokenizer
    asked = {"transformer": {"quantize": "int8", "double_quant": True}}
    double = refusal(asked, tmp_path / "double").stderr
    assert "[model.components.transformer.double_quant] true -> goes with quantize: nf4" in double
