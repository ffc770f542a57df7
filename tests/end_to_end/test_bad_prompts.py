"""Prompts that cannot be read are refused by line; strange ones are rendered as they stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from endings import Ending, ends_soon, nothing_half_written, render, samples, small_job
from small_jobs import lines

SECONDS_FOR_LONG = 30.0  # ten times what the longest took


def from_file(
    name: str, content: bytes, folder: Path, rows: str | None = None, demo: str = "sd3"
) -> dict[str, Any]:
    """A job whose prompts stand in this file."""
    (folder / name).write_bytes(content)
    dataset = {"path": name} | ({"rows": rows} if rows else {})
    return small_job(demo, prompts=None, dataset=dataset)


BAD = {
    "latin-1 txt": ("p.txt", b"a star\ncaf\xe9\n", "p.txt:2:4: [", "0xe9"),
    "latin-1 jsonl": ("p.jsonl", b'{"prompt": "caf\xe9"}\n', "p.jsonl:1:16: [", "0xe9"),
    "latin-1 csv": ("p.csv", b"prompt,seed\ncaf\xe9,2\n", "p.csv:2:4: [", "0xe9"),
    "cut character": ("p.txt", "a star\n東".encode()[:-1], "p.txt:2:1: [", "not UTF-8"),
    "surrogate": ("p.txt", b"\xed\xa0\x80\n", "p.txt:1:1: [", "not UTF-8"),
    "utf-16": ("p.txt", "a star\n".encode("utf-16"), "p.txt:1:1: [", "another encoding"),
    "broken json": ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "p.jsonl:2:", "not JSON"),
    "not an object": ("p.jsonl", b'"a star"\n', "p.jsonl:1:1: [", "a JSON object"),
    "empty line": ("p.jsonl", b'\n{"prompt": "a"}\n', "p.jsonl:1:1: [", "not JSON"),
    "unknown key": ("p.jsonl", b'{"prompt": "a", "sed": 3}\n', "p.jsonl:1:17: [", "mean seed?"),
    "wrong type": ("p.jsonl", b'{"prompt": "a", "seed": "x"}\n', "p.jsonl:1:", "a whole number"),
    "unknown column": ("p.csv", b"prompt,sed\na,1\n", "p.csv:1:8: [", "mean seed?"),
    "wrong cell": ("p.csv", b"prompt,seed\na,x\n", "p.csv:2:3: [", "x -> a whole number"),
    "no prompt column": ("p.csv", b"seed\n1\n", "p.csv:1:1: [", "no prompt column"),
    "open quote": ("p.csv", b'prompt\n"a star\n', "p.csv:2:1: [", "a quote that is not closed"),
    "a field too many": ("p.csv", b"prompt,seed\na, b,1\n", "p.csv:2:1: [", "3 fields -> 2"),
    "no rows": ("p.txt", b"", "p.txt:1:1: [", "an empty file"),
}


@pytest.mark.parametrize("bad", BAD)
def test_prompts_that_are_refused(bad: str, tmp_path: Path) -> None:
    name, content, *says = BAD[bad]
    ending = render(from_file(str(name), bytes(content), tmp_path), tmp_path)
    ending.says(65, *map(str, says))
    assert not (tmp_path / "out").exists()


def test_bad_rows_are_told_together(tmp_path: Path) -> None:
    rows = b'{"prompt": "a"}\n{"promt": "b"}\n{"prompt": "c", "width": -16}\n'
    ending = render(from_file("p.jsonl", rows, tmp_path), tmp_path)
    assert ending.code == 65
    assert [message.split(":")[:2] for message in ending.messages] == [
        ["p.jsonl", "2"],
        ["p.jsonl", "3"],
    ]


@pytest.mark.parametrize("rows", ["0-2", "2", "5-9"])
def test_rows_past_the_end(rows: str, tmp_path: Path) -> None:
    ending = render(from_file("p.txt", b"a\nb\n", tmp_path, rows), tmp_path)
    ending.says(78, "job.yaml:", "[dataset.rows] " + rows.split("-")[0], "p.txt has 2 rows")
    assert not (tmp_path / "out").exists()


def test_bad_prompts_are_told_once_by_many_ranks(tmp_path: Path) -> None:
    ending = render(from_file("p.txt", b"caf\xe9\n", tmp_path), tmp_path, ranks=3)
    ends_soon(ending.says(65, "p.txt:1:4: [", "0xe9"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"caf\xe9\n", b""])
def test_bad_prompts_are_told_within_half_a_second(content: bytes, tmp_path: Path) -> None:
    job = from_file("p.txt", content, tmp_path)
    told = [render(job, tmp_path).says(65).told for _ in range(3)]
    assert min(seconds for seconds in told if seconds is not None) < 0.5


def rendered_as_it_is(ending: Ending, prompt: str, folder: Path) -> None:
    assert ending.code == 0, ending.stderr
    assert samples(folder) == ["out/00000000.png"]
    nothing_half_written(folder)
    assert [line["prompt"] for line in lines(folder / "out" / "metadata.jsonl")] == [prompt]


CONTROLS = "".join(map(chr, [*range(1, 10), *range(11, 13), *range(14, 32), 127, 0x85, 0x2028]))
STRANGE = {
    "controls": f"a{CONTROLS}star",
    "terminal": "\x1b[31m\x1b]0;title\x07 star \x1b[2J",
    "nul": "a\0star",
    "nothing": "",
    "noncharacters": "\ufffe\uffff\U0010ffff star",
    "direction": "\u202estar\u202c\u200d\ufeff",
    "marks": "s" + "\u0301" * 5000,
}


@pytest.mark.parametrize(
    ("form", "name"),
    [("txt", "controls"), ("txt", "nul"), ("job", "controls"), ("job", "nul")]
    + [("jsonl", name) for name in STRANGE],
)
def test_characters_that_nobody_sees(form: str, name: str, tmp_path: Path) -> None:
    """They are prompts as all others, and come out of the metadata as they went in."""
    prompt = STRANGE[name]
    row = prompt if form == "txt" else json.dumps({"prompt": prompt})
    job: dict[str, Any] | str = from_file(f"p.{form}", row.encode() + b"\n", tmp_path)
    if form == "job":
        job = json.dumps(small_job(prompts=[prompt]), ensure_ascii=False)  # JSON is YAML
    rendered_as_it_is(render(job, tmp_path), prompt, tmp_path)


MEGABYTES = 10_000_000
LONG = {
    "words": "star " * (MEGABYTES // 5),
    "one word": "a" * MEGABYTES,
    "no spaces": "東" * (MEGABYTES // 3),
    "signs": "!?" * (MEGABYTES // 2),
    "spaces": " " * MEGABYTES,
}


@pytest.mark.parametrize(
    ("demo", "name"), [("sd3", name) for name in LONG] + [("pixart", "words"), ("pixart", "no spaces")]
)
def test_a_prompt_of_ten_megabytes(demo: str, name: str, tmp_path: Path) -> None:
    """Cut to what the encoders take, in time that grows with its length and not its square."""
    job = from_file("p.txt", LONG[name].encode(), tmp_path, demo=demo)
    ending = render(job, tmp_path)
    assert ending.seconds < SECONDS_FOR_LONG
    rendered_as_it_is(ending, LONG[name], tmp_path)


def test_ten_megabytes_in_the_job_file(tmp_path: Path) -> None:
    ending = render(json.dumps(small_job(prompts=[LONG["words"]])), tmp_path)
    assert ending.seconds < SECONDS_FOR_LONG
    rendered_as_it_is(ending, LONG["words"], tmp_path)
