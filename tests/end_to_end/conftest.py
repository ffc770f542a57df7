"""What the tests share: tiny checkpoints, built once a session, and diffusers' side."""

import os
import subprocess
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "oracle"), str(TESTS / "reliability")]

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


@pytest.fixture(scope="session")
def own_mounts() -> None:
    """A process may mount what only it sees; a container needs leave for that (CAP_SYS_ADMIN)."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *user, "mount", "-t", "tmpfs", "disk", "/mnt"]
    tried = subprocess.run(command, capture_output=True, text=True)
    assert tried.returncode == 0, f"full disks cannot be tried here: {tried.stderr}"
