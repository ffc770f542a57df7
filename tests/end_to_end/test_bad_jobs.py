"""Mistakes in the job file and on the command line: told at once, with the place they stand at."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endings import Ending, ends_soon, render, run, small_job, write_yaml

HEAD = "version: 1\nmodel: {path: x}\nprompts: [a red star]\n"  # what follows begins on line 4


@dataclass(frozen=True)
class Mistake:
    """Lines behind HEAD, where the mistake in them is, and what is said about it."""

    name: str
    text: str
    line: int
    column: int
    says: tuple[str, ...]


MISTAKES = [
    Mistake(
        "unknown key",
        "sampling:\n  guidence_scale: 3\n",
        5,
        3,
        ("[sampling.guidence_scale] unknown key", "did you mean guidance_scale?"),
    ),
    Mistake("unknown section", "outptu: {path: out}\n", 4, 1, ("unknown key", "mean output?")),
    Mistake("other name", "sampling: {steps: 3}\n", 4, 12, ("mean num_inference_steps?",)),
    Mistake("wrong type", "sampling: {height: tall}\n", 4, 20, ("tall -> a whole number",)),
    Mistake("a list", "sampling: [1]\n", 4, 11, ("[sampling] a list -> keys with values",)),
    Mistake("too small", "sampling: {num_inference_steps: 0}\n", 4, 33, ("0 -> from 1 to ",)),
    Mistake("too large", f"sampling: {{seed: {10**20}}}\n", 4, 18, ("18446744073709551615",)),
    Mistake("unknown word", "output: {format: jpg}\n", 4, 18, ("one of png", "mean jpeg?")),
    Mistake("doubled key", "threads: 1\nthreads: 2\n", 5, 1, ("each key once", "is on line 4")),
    Mistake("anchor", "sampling: &usual {seed: 1}\n", 4, 11, ("an anchor",)),
    Mistake("alias", "sampling: *usual\n", 4, 11, ("anchor", "->")),
    Mistake("second document", "---\nversion: 1\n", 4, 1, ("a second document", "one document")),
    Mistake("tab", "sampling:\n\tseed: 1\n", 5, 1, ("a tab", "spaces")),
    Mistake("two sources", "dataset: {path: x.txt}\n", 4, 10, ("prompts or a dataset, not both",)),
    Mistake("unfit", "stages: [encode]\noutput: {format: png}\n", 5, 18, ("embeds", "encode")),
]


def shows(ending: Ending, text: str, line: int, column: int) -> None:
    """The line of the job file is shown, with a mark under the mistake."""
    source = text.splitlines()[line - 1]
    under = re.sub(r"[^\t]", " ", source[: column - 1])
    assert f"\n{source}\n{under}^\n" in ending.stderr


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_in_the_job_file(mistake: Mistake, tmp_path: Path) -> None:
    ending = render(HEAD + mistake.text, tmp_path)
    place = f"{tmp_path / 'job.yaml'}:{mistake.line}:{mistake.column}: ["
    ending.says(78, place, *mistake.says)
    shows(ending, HEAD + mistake.text, mistake.line, mistake.column)
    assert [file.name for file in tmp_path.iterdir()] == ["job.yaml"]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    ending = render(HEAD.encode() + b"output: {path: caf\xe9}\n", tmp_path)
    ending.says(78, f"{tmp_path / 'job.yaml'}:4:19: [", "0xe9", "not UTF-8")
    shows(ending, HEAD + "output: {path: caf?}\n", 4, 19)


SEVERAL = """\
version: 2
model: {pth: x}
prompts: [a red star]
sampling:
  width: wide
  guidance: 3
output: {format: jpg}
"""


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    ending = render(SEVERAL, tmp_path)
    assert ending.code == 78
    told = [re.search(r":(\d+):(\d+): \[([\w.]+)\]", message) for message in ending.messages]
    assert [(int(at[1]), int(at[2]), at[3]) for at in told if at] == [
        (1, 10, "version"),
        (2, 8, "model.path"),
        (2, 9, "model.pth"),
        (5, 10, "sampling.width"),
        (6, 3, "sampling.guidance"),
        (7, 18, "output.format"),
    ]
    for line, column in [(1, 10), (2, 8), (2, 9), (5, 10), (6, 3), (7, 18)]:
        shows(ending, SEVERAL, line, column)


ALL = {"ranks": "all"}
LAYOUTS: list[tuple[int, dict[str, Any], tuple[str, ...]]] = [
    (1, {"replicas": 3}, ("[layout.replicas] 3 ", "world size, 1", "mpirun -n")),
    (2, {"replicas": 3}, ("[layout.replicas] 3 ", "world size, 2")),
    (2, {"transformer": ALL | {"tensor": 3}}, ("tensor 3 = 3 ", "2 ranks / 1 replica")),
    (
        1,
        {"transformer": {"ranks": "0-3", "guidance": 2, "pipeline": 2, "tensor": 2}},
        ("guidance 2 x pipeline 2 x sequence 1 x tensor 2 = 8 ", "the number of its ranks, 4"),
    ),
    (2, {"vae": {"ranks": 2}}, ("[layout.vae.ranks] rank 2 -> ranks 0 to 1 ",)),
    (
        3,
        {"text_encoders": {"ranks": 0}, "transformer": {"ranks": 0}, "vae": {"ranks": 1}},
        ("no component on rank 2 ", "3 ranks"),
    ),
]


@pytest.mark.parametrize(("ranks", "layout", "says"), LAYOUTS)
def test_a_layout_that_cannot_be(
    ranks: int, layout: dict[str, Any], says: tuple[str, ...], tmp_path: Path
) -> None:
    ending = render(small_job(layout=layout), tmp_path, ranks)
    ends_soon(ending.says(78, f"{tmp_path / 'job.yaml'}:", *says))
    assert not (tmp_path / "out").exists()


def test_a_mistake_is_told_once_by_many_ranks(tmp_path: Path) -> None:
    ends_soon(render(HEAD + "threads: many\n", tmp_path, ranks=3).says(78, "[threads] many ->"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sampling.num_steps=3", ("[sampling.num_steps] unknown key", "num_inference_steps?")),
        ("sampling.height=tall", ("[sampling.height] tall -> a whole number",)),
        ("threads", ("[threads] ", "-> key.path=value")),
        ("prompts.7.seed=1", ("[prompts.7.seed] 7 -> an index from 0 to 0",)),
    ],
)
def test_a_value_that_cannot_be_set(value: str, says: tuple[str, ...], tmp_path: Path) -> None:
    file = write_yaml(small_job(), tmp_path)
    run(["render", str(file), "--set", value]).says(78, f"--set {value}: ", *says)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--bogus"], "--bogus"),
        (["render"], "job"),
        (["render", "job.yaml", "--bogus"], "--bogus"),
        (["render", "job.yaml", "other.yaml"], "other.yaml"),
        (["render", "job.yaml", "--set"], "--set"),
        (["rendr", "job.yaml"], "did you mean render?"),
        (["inspect"], "path"),
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_command(
    arguments: list[str], says: str, ranks: int, tmp_path: Path
) -> None:
    write_yaml(small_job(), tmp_path)
    ending = run(arguments, ranks, folder=tmp_path).says(64, says)
    assert re.fullmatch(r"\[command\] .+ -> .+ -> .+", ending.messages[0])
    if ranks == 1:
        assert ending.stderr == ending.messages[0] + "\n"
    assert not (tmp_path / "out").exists()


MISSING = {
    "job": ({}, "nowhere.yaml", "[job] nowhere.yaml -> a job file -> there is no such file"),
    "folder": ({}, ".", "[job] . -> a job file -> it is a folder"),
    "prompts": ({"prompts": None, "dataset": {"path": "no.txt"}}, "job.yaml", "[dataset.path] "),
    "model": ({"model": {"path": "nowhere"}}, "job.yaml", "nowhere: "),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("missing", MISSING)
def test_what_is_not_there(missing: str, ranks: int, tmp_path: Path) -> None:
    changes, job, says = MISSING[missing]
    write_yaml(small_job(**changes), tmp_path)
    ends_soon(run(["render", job], ranks, folder=tmp_path).says(66, says))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mistake", ["sampling: {height: tall}", "layout: {replicas: 3}", "? ["])
def test_a_mistake_is_told_within_half_a_second(mistake: str, tmp_path: Path) -> None:
    """Nothing heavy is loaded before the job file is read; the best of three, on a busy machine."""
    told = [render(HEAD + mistake + "\n", tmp_path).says(78).told for _ in range(3)]
    assert min(seconds for seconds in told if seconds is not None) < 0.5
