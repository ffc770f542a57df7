"""What an output folder holds, read by someone who knows only the description of its layout."""

import glob
import hashlib
import json
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

FRAME = struct.Struct("<4sIQI")  # "TRJ1", bytes of the record, of the members, CRC-32 of both
# What tells of runs and not of the dataset.
OF_RUNS = re.compile(r"(job\.json|report\..*|failed\.jsonl|(logs|metrics|\.trireme)(/.*)?)$")

PICTURE = re.compile(r"\d{8}\.png")
MANIFEST = re.compile(r"\d{6}\.json")


def dataset_files(out: Path) -> list[str]:
    """All files that make the dataset, sorted; hidden ones too, which should not be there."""
    files = (str(f.relative_to(out)) for f in out.rglob("*") if f.is_file())
    return sorted(name for name in files if not OF_RUNS.match(name))


def dataset(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in dataset_files(out)}


def digest(files: dict[str, bytes]) -> str:
    """Over paths and bytes, in the order of the paths."""
    sum_of_all = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            sum_of_all.update(len(part).to_bytes(8, "little") + part)
    return sum_of_all.hexdigest()


def journal_records(journal: Path) -> list[dict[str, Any]]:
    """Records of the whole frames, up to the first that was cut."""
    try:
        data = journal.read_bytes()
    except FileNotFoundError:  # its shard was sealed
        return []
    records, at = [], 0
    while at + FRAME.size <= len(data):
        magic, record, members, crc = FRAME.unpack_from(data, at)
        body = data[at + FRAME.size : at + FRAME.size + record + members]
        if magic != b"TRJ1" or len(body) < record + members or zlib.crc32(body) != crc:
            break
        records.append(json.loads(body[:record]))
        at += FRAME.size + record + members
    return records


def durable(out: Path) -> set[int]:
    """Indices of samples that no kill takes back: in a manifest or journal, or a file."""
    found: set[int] = set()
    for journal in glob.iglob(f"{out}/.trireme/*/*.journal"):
        found |= {record["index"] for record in journal_records(Path(journal))}
    for folder, _, files in os.walk(out):
        for name in files:
            if PICTURE.fullmatch(name):
                found.add(int(name[:8]))
            elif MANIFEST.fullmatch(name):
                samples = json.loads(Path(folder, name).read_bytes())["samples"]
                found |= {sample["index"] for sample in samples}
    return found


def begun(out: Path, shard_size: int, portion: int, writers: set[int]) -> set[int]:
    """Indices of portions that these processes have claimed and nobody has called done.

    Whatever they had in flight is among them: a portion is claimed before it is begun.
    """
    claimed, done = set(), set()
    for claim in out.glob(".trireme/claims/*.*.*"):
        if claim.name.startswith("."):
            continue
        shard, first, state = claim.name.split(".")
        at = int(shard) * shard_size + int(first)
        if state == "done":
            done.add(at)
        elif writer_of(claim) in writers:
            claimed.add(at)
    return {index for at in claimed - done for index in range(at, at + portion)}


def writer_of(claim: Path) -> int | None:
    """The process of a claim, "HOST-PID-START COUNTER"; none of one that was let go, is cut, or goes
    while we look: a launch that lives may seal its shard."""
    try:
        parts = claim.read_text().split("-")
    except FileNotFoundError:
        return None
    return int(parts[1]) if len(parts) == 3 else None


def manifests(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return {name: json.loads(files[name]) for name in sorted(files) if MANIFEST.fullmatch(name)}
