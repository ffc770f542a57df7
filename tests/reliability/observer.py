"""An observer that looks at an output folder all the time while runs come and go in it."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from output_state import OF_RUNS

BETWEEN_LOOKS = 0.01  # seconds
# Files that describe what is there so far: replaced as a whole, never cut.
DESCRIPTIONS = {"metadata.jsonl", "README.md"}

Look = tuple[int, int, int]  # inode, size, time of the last change


class Observer(threading.Thread):
    """Notes everything that a reader of the folder must never see.

    A visible file has its final bytes from the first moment on, and stays; a manifest has its
    files.
    """

    def __init__(self, out: Path, whole: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self._out = out
        self._whole = whole  # the undisturbed dataset
        self._seen: dict[str, Look] = {}
        self._over = threading.Event()
        self.faults: list[str] = []
        self.looks = 0

    def __enter__(self) -> "Observer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while True:
            last = self._over.wait(BETWEEN_LOOKS)  # and one look more, at the end
            try:
                self.look()
            except Exception as error:  # a blind observer has seen nothing wrong
                self._fault(f"the observer fell over {error!r}")
            self.looks += 1
            if last:
                return

    def look(self) -> None:
        now = {name: look for name, look in visible(self._out)}
        for name in self._seen.keys() - now.keys():
            self._fault(f"{name} was there and is gone")
        for name in sorted(now.keys() - self._seen.keys(), key=is_manifest):
            self._first_sight(name)
        for name in self._seen.keys() & now.keys():
            if self._seen[name] != now[name] and name not in DESCRIPTIONS:
                self._fault(f"{name} changed: {self._seen[name]}, {now[name]}")
        for name in DESCRIPTIONS & now.keys():
            if self._seen.get(name) != now[name]:
                self._description(name)
        self._seen = now

    def _first_sight(self, name: str) -> None:
        if name in DESCRIPTIONS:
            return
        if name not in self._whole:
            return self._fault(f"{name} is not in the undisturbed dataset")
        if (self._out / name).read_bytes() != self._whole[name]:
            self._fault(f"{name} was visible without its final bytes")
        if is_manifest(name):
            self._manifest(name, json.loads(self._whole[name]))

    def _manifest(self, name: str, manifest: dict[str, Any]) -> None:
        tar = self._out / name.replace(".json", ".tar")
        files = [] if tar.name in self._whole else manifest["samples"]
        promised = {sample["file"]: sample["bytes"] for sample in files if "file" in sample}
        promised |= {} if files else {tar.name: manifest["bytes"]}
        for file, size in promised.items():
            path = self._out / file
            if not path.exists() or path.stat().st_size != size:
                self._fault(f"{name} was visible before {file} was whole")

    def _description(self, name: str) -> None:
        """Some of its lines, in order, each whole."""
        try:
            text = (self._out / name).read_bytes()
        except FileNotFoundError:
            return self._fault(f"{name} was there and is gone")
        if name == "metadata.jsonl":
            lines, whole = text.splitlines(), set(self._whole[name].splitlines())
            if not text.endswith(b"\n") or not whole.issuperset(lines):
                self._fault(f"{name} has lines that are cut or wrong")

    def _fault(self, what: str) -> None:
        if what not in self.faults:
            self.faults.append(what)


def is_manifest(name: str) -> bool:
    return "/" not in name and name.endswith(".json")


def visible(out: Path) -> Iterator[tuple[str, Look]]:
    """What `ls -R` shows of the dataset; files only."""
    for folder, folders, files in os.walk(out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            short = str(path.relative_to(out))
            if name.startswith(".") or OF_RUNS.match(short):
                continue
            with contextlib.suppress(FileNotFoundError):  # the next look tells of its going
                status = path.stat()
                yield short, (status.st_ino, status.st_size, status.st_mtime_ns)
