"""Tiny checkpoints, built once a session, and the two sides that the tests compare."""

import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

import pytest
import torch
from diffusers.utils import logging as diffusers_logging

from checkpoints import DEMO, FAMILIES, VARIANTS
from diffusers_oracle import Oracle

diffusers_logging.set_verbosity_error()
torch.set_num_threads(1)  # more would only wait for each other at these sizes


class Checkpoints:
    """Folders by name: `demo/sd3`, `demo/pixart` or a family of tests/oracle/checkpoints.py."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> Path:
        if name.startswith("demo/"):
            return DEMO / name.removeprefix("demo/")
        folder = self._folder / name
        if not folder.exists():
            FAMILIES[name](folder)
        return folder

    def model(self, name: str) -> dict[str, object]:
        """The `model` of a job."""
        variant = {"variant": VARIANTS[name]} if name in VARIANTS else {}
        return {"path": str(self[name])} | variant


class Oracles:
    """diffusers' pipelines, each loaded once."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._loaded: dict[tuple[str, tuple[str, ...]], Oracle] = {}

    def __call__(self, name: str, absent: tuple[str, ...] = ()) -> Oracle:
        key = (name, absent)
        if key not in self._loaded:
            folder = self._checkpoints[name]
            self._loaded[key] = Oracle(folder, absent, VARIANTS.get(name))
        return self._loaded[key]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def oracles(checkpoints: Checkpoints) -> Oracles:
    return Oracles(checkpoints)
