"""Cheap datasets: the demo checkpoint at its smallest, several shards, and what is promised of them."""

import json
from pathlib import Path
from typing import Any

from endings import ROOT, Ending, render, small_job

from output_state import dataset, digest, manifests

COUNT, SHARD, BATCH = 24, 8, 2
SAMPLING = {
    "height": 32,
    "width": 32,
    "num_inference_steps": 1,
    "guidance_scale": 1.0,
    "max_sequence_length": 8,
}
MODEL = {"path": str(ROOT / "demo" / "sd3"), "components": {"text_encoder_3": None}}
ROWS = [{"prompt": f"a red star {number}"} for number in range(COUNT)]


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def dataset_job(
    folder: Path,
    content: bytes = json_lines(ROWS),
    name: str = "prompts.jsonl",
    layout: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    rows: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A job whose prompts stand in FOLDER/NAME."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    given: dict[str, Any] = {
        "model": MODEL,
        "prompts": None,
        "dataset": {"path": name} | ({"rows": rows} if rows else {}),
        "sampling": SAMPLING,
        "layout": {"batch_size": BATCH} | (layout or {}),
        "output": {"path": "out", "shard_size": SHARD} | (output or {}),
    }
    return small_job(**(given | changes))


def made(job: dict[str, Any], folder: Path, ranks: int = 1, code: int = 0, **how: Any) -> Ending:
    ending = render(job, folder, ranks, **how)
    assert ending.code == code, f"exit {ending.code}, not {code}\n{ending.stderr}"
    return ending


def digest_of(folder: Path) -> str:
    return digest(dataset(folder / "out"))


def visible_digest_of(folder: Path) -> str:
    """While somebody writes: hidden files do not count."""
    files = dataset(folder / "out")
    return digest({name: files[name] for name in files if not Path(name).name.startswith(".")})


def pictures(folder: Path) -> dict[int, bytes]:
    return {int(f.stem): f.read_bytes() for f in sorted((folder / "out").rglob("????????.png"))}


def verdicts(folder: Path) -> dict[int, dict[str, Any]]:
    """What the manifests say of each sample."""
    found = manifests(dataset(folder / "out")).values()
    return {sample["index"]: sample for manifest in found for sample in manifest["samples"]}


def dates(folder: Path) -> dict[str, int]:
    files = [f for f in (folder / "out").rglob("????????.png")]
    return {str(f.relative_to(folder)): f.stat().st_mtime_ns for f in files}
