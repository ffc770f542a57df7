"""`trireme inspect`: checkpoints, pictures and outputs."""

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig, T5Config, T5EncoderModel

from checkpoints import Checkpoints
from diffusers_oracle import Oracles
from program import Run, report, trireme
from small_jobs import PROMPTS, texts


@pytest.mark.parametrize(
    ("name", "family", "size"),
    [
        ("sd3-medium", "sd3", 64),
        ("sd3.5-medium", "sd3.5-medium", 128),
        ("pixart-256", "pixart-sigma", 256),
        ("pixart-512", "pixart-sigma", 512),
        ("demo/sd3", "sd3", 128),
        ("demo/pixart", "pixart-sigma", 256),
    ],
)
def test_inspect_a_checkpoint(
    name: str, family: str, size: int, checkpoints: Checkpoints, oracles: Oracles
) -> None:
    done = trireme(["inspect", str(checkpoints[name]), "--json"])
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["family"], facts["native_size"], facts["missing"]) == (family, size, [])
    pipe = oracles(name).pipe
    for part in ["transformer", "vae", "text_encoder"]:
        component = facts["components"][part]
        module = getattr(pipe, part)
        assert component["parameters"] == sum(p.numel() for p in module.parameters())
        files = [checkpoints[name] / file for file in component["files"]]
        stored = [tensor for file in files for tensor in load_file(file).values()]
        assert component["bytes"] == sum(t.numel() * t.element_size() for t in stored)
        floats = {str(t.dtype).removeprefix("torch.") for t in stored if t.is_floating_point()}
        assert floats <= set(component["dtypes"])
    index = json.loads((checkpoints[name] / "model_index.json").read_text())
    assert facts["components"]["scheduler"]["class"] == index["scheduler"][1]


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (BitsAndBytesConfig(load_in_8bit=True), "int8"),
        (BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"), "uint8"),
        (
            BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
            ),
            "uint8",
        ),
    ],
    ids=["int8", "nf4", "nf4 with scales as codes"],
)
def test_codes_count_as_what_they_stand_for(
    kind: BitsAndBytesConfig, stored: str, tmp_path: Path
) -> None:
    """Matrices of 65 x 33 are no whole number of bytes in nf4."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    config = T5Config(
        vocab_size=50, d_model=65, d_kv=8, num_heads=3, d_ff=33, num_layers=2,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    plain = T5EncoderModel(config)
    plain.save_pretrained(tmp_path / "plain")
    T5EncoderModel.from_pretrained(
        tmp_path / "plain", quantization_config=kind, dtype=torch.float32, device_map="cpu"
    ).save_pretrained(tmp_path / "codes")
    for name in ["plain", "codes"]:
        done = trireme(["inspect", str(tmp_path / name), "--json"])
        assert done.returncode == 0, done.stderr
        component = json.loads(done.stdout)["components"]["text_encoder"]
        assert component["parameters"] == sum(p.numel() for p in plain.parameters())
        assert name == "plain" or stored in component["dtypes"]


def test_inspect_a_picture_and_an_output(rendered: Run) -> None:
    picture = rendered.folder / "00000001.png"
    facts = json.loads(trireme(["inspect", str(picture), "--json"]).stdout)
    assert (facts["height"], facts["width"]) == (64, 80)
    assert facts["parameters"] == texts(picture)["parameters"]
    assert facts["trireme"] == json.loads(texts(picture)["trireme"])
    output = json.loads(trireme(["inspect", str(rendered.folder), "--json"]).stdout)
    assert output["report"] == report(rendered)
    assert output["job"] == json.loads((rendered.folder / "job.json").read_text())
    assert PROMPTS[1]["negative_prompt"] in trireme(["inspect", str(picture)]).stdout
