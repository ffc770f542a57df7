"""What the tests share: tiny checkpoints, built once a session, and diffusers' side."""

import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

import pytest
import torch
from diffusers.utils import logging as diffusers_logging

from checkpoints import Checkpoints
from diffusers_oracle import Oracles
from program import Run, render
from small_jobs import sd3_job

diffusers_logging.set_verbosity_error()
torch.set_num_threads(1)  # more would only wait for each other at these sizes


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def oracles(checkpoints: Checkpoints) -> Oracles:
    return Oracles(checkpoints)


@pytest.fixture(scope="session")
def rendered(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small SD3 job of small_jobs.py, rendered by one rank."""
    return render(sd3_job(checkpoints), tmp_path_factory.mktemp("rendered")).ok
