"""`trireme inspect`: checkpoints, pictures and outputs."""

import json

import pytest
from safetensors.torch import load_file

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
    assert facts["components"]["scheduler"]["class"] == type(pipe.scheduler).__name__


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
