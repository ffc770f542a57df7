"""Muon for the blocks' matrices, AdamW for the rest, and an average of the weights.

Muon steps by an orthogonal matrix near the momentum, so that every direction of a small model
moves; a minute of it teaches these models far more than a minute of AdamW alone.
"""

import copy
from collections import defaultdict

import torch
from torch import Tensor, nn

WARM_UP = 60
FLAT = 0.25  # of all steps, before the rates fall
AVERAGE = 0.998  # of the averaged weights, kept at each step


def rate_factor(step: int, steps: int) -> float:
    """Warm-up, a flat stretch, then a fall to zero, a little steeper than a straight line."""
    done = step / steps
    fall = 1.0 if done < FLAT else ((1 - done) / (1 - FLAT)) ** 1.3
    return min(1.0, (step + 1) / WARM_UP) * fall


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by Newton-Schulz; matrices of one shape go through it together."""

    def __init__(self, parameters: list[nn.Parameter], lr: float = 0.02) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": 0.95, "decay": 0.01})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                by_shape[parameter.shape].append(parameter)
            for (rows, columns), parameters in by_shape.items():
                looks = torch.stack([self._look_ahead(p, group["momentum"]) for p in parameters])
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, step in zip(parameters, orthogonal(looks), strict=True):
                    parameter.mul_(1 - group["lr"] * group["decay"]).sub_(step, alpha=rate)

    def _look_ahead(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["momentum"], momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """Five Newton-Schulz steps that bring all singular values of each matrix near one."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.mT if tall else x


class Optimizers:
    """Both optimizers and the averaged weights of one model; knows the schedule."""

    def __init__(self, model: nn.Module, steps: int, rate: float = 1.0) -> None:
        self._model = model
        self._steps = steps
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False)
        matrices, rest = [], []
        for name, parameter in model.named_parameters():
            inside = "blocks." in name and name.endswith(".weight") and parameter.ndim == 2
            # Modulation starts at zero and is read as a table: there Adam's small steps fit better.
            (matrices if inside and ".norm1" not in name else rest).append(parameter)
        self._all = [
            Muon(matrices),
            torch.optim.AdamW(rest, lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
        ]
        self._rates = [rate * optimizer.param_groups[0]["lr"] for optimizer in self._all]

    def step(self, number: int, loss: Tensor) -> None:
        """One update from a loss, then the average moves towards the weights."""
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer, rate in zip(self._all, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * rate_factor(number, self._steps)
            optimizer.step()
        self._model.zero_grad(set_to_none=False)
        pull = 1 - min(AVERAGE, (number + 1) / (number + 10))
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self._model.parameters(), strict=True)
            for average, parameter in pairs:
                average.lerp_(parameter, pull)

    def state_dict(self) -> dict:
        return {
            "model": self._model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._all],
        }

    def load_state_dict(self, state: dict) -> None:
        self._model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        for optimizer, saved in zip(self._all, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
