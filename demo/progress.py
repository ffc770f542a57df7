"""One line every so often: how far a stage is, how fast, and how long it still takes."""

import sys
import time


class Progress:
    """Owns a stage's clock; shows nothing before the first interval has passed."""

    def __init__(self, label: str, steps: int, interval: float = 15.0) -> None:
        self._label = label
        self._steps = steps
        self._interval = interval
        self._first_step = 0
        self._begin = self._shown = time.monotonic()

    def start_at(self, step: int) -> None:
        """Count the rate from this step on: the ones before were done in an earlier run."""
        self._first_step = step

    def show(self, step: int, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._shown < self._interval and step < self._steps:
            return
        self._shown = now
        each = (now - self._begin) / max(1, step - self._first_step)
        left = each * (self._steps - step)
        self.note(f"{step}/{self._steps}, {each:.3f} s each, {left / 60:.1f} min left, {detail}")

    def note(self, text: str) -> None:
        clock = time.strftime("%H:%M:%S")
        print(f"{clock} [{self._label}] {text}", file=sys.stderr, flush=True)
