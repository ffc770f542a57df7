"""A trial of the real command at almost no steps: it must leave a folder that diffusers opens."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from optim import orthogonal, rate_factor

TRAIN = Path(__file__).resolve().parents[2] / "demo" / "train.py"


def test_orthogonal_brings_singular_values_near_one():
    matrices = torch.randn(3, 24, 96, generator=torch.Generator().manual_seed(0))
    for stack in (matrices, matrices.mT):
        values = torch.linalg.svdvals(orthogonal(stack))
        assert 0.6 < values.min() and values.max() < 1.3


def test_the_rate_warms_up_stays_and_falls_to_nothing():
    factors = [rate_factor(step, 1000) for step in range(1000)]
    assert factors[0] < 0.02
    assert factors[100] == factors[240] == 1.0
    assert factors[600] < factors[400] < 1.0
    assert factors[999] < 0.001


def test_a_trial_run_leaves_a_pipeline_that_diffusers_opens(tmp_path):
    command = [sys.executable, TRAIN, "--family", "pixart", "--scale", "0.001", "--out", tmp_path]
    subprocess.run(command, check=True, timeout=600)
    pipe = DiffusionPipeline.from_pretrained(tmp_path / "pixart")
    pipe.set_progress_bar_config(disable=True)
    size = {"height": 64, "width": 96, "use_resolution_binning": False}
    pictures = pipe("a red star", num_inference_steps=2, **size)
    assert pictures.images[0].size == (96, 64)
    config = json.loads((tmp_path / "pixart" / "text_encoder" / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert str(tmp_path) not in "".join(p.read_text() for p in tmp_path.rglob("*.json"))
