"""What report.json and --trace say about who did what when."""

import json
from pathlib import Path
from typing import Any

from endings import render, samples, small_job, write_yaml
from endings import run as run_program

Event = dict[str, Any]


def traced(layout: dict[str, Any], pictures: int, folder: Path) -> tuple[list[Event], Any]:
    """The events of a run on three ranks, and its report."""
    sampling = {"height": 64, "width": 64, "num_inference_steps": 4, "guidance_scale": 3.0}
    prompts = [f"a red star {number}" for number in range(pictures)]
    job = write_yaml(small_job(prompts=prompts, sampling=sampling, layout=layout), folder)
    trace = folder / "trace.json"
    ending = run_program(["render", str(job), "--trace", str(trace)], ranks=3)
    assert ending.code == 0, ending.stderr
    report = json.loads((folder / "out" / "report.json").read_text())
    return json.loads(trace.read_text())["traceEvents"], report


def lanes(events: list[Event], process: str) -> list[list[Event]]:
    """The spans of each rank, of the trace with this name."""
    number = next(e["pid"] for e in events if e["ph"] == "M" and process in e["args"]["name"])
    spans = [e for e in events if e["ph"] == "X" and e["pid"] == number]
    return [[e for e in spans if e["tid"] == rank] for rank in range(3)]


def test_both_lanes_of_a_pipeline(tmp_path: Path) -> None:
    layout = {"transformer": {"ranks": "all", "pipeline": 3}}
    events, report = traced(layout, 6, tmp_path)
    (schedule,) = report["schedule"]
    assert (schedule["stages"], schedule["in_flight"]) == (3, 4)
    assert 0 <= schedule["bubble"]["predicted"] <= schedule["bubble"]["measured"] + 0.02 < 1.02
    for which in ["predicted", "measured"]:
        for rank, lane in enumerate(lanes(events, which)):
            forwards = [e for e in lane if e["name"].startswith("forward")]
            assert len(forwards) == 6 * 4
            busy = schedule["busy_seconds"][rank][which]
            assert busy >= sum(e["dur"] for e in forwards) / 1e6 * 0.999
            ends = [e["ts"] + e["dur"] for e in lane]
            assert all(a <= b["ts"] + 0.01 for a, b in zip(ends, lane[1:], strict=False))


def overlapping_decodes(transformer: list[Event], vae: list[Event]) -> list[bool]:
    """Of each decode but the last: whether the transformer worked at the same time."""
    forwards = [e for e in transformer if e["name"].startswith("forward")]
    return [
        any(
            f["ts"] < decode["ts"] + decode["dur"] and decode["ts"] < f["ts"] + f["dur"]
            for f in forwards
        )
        for decode in [e for e in vae if e["name"].startswith("decode")][:-1]
    ]


def test_components_of_their_own_work_at_the_same_time(tmp_path: Path) -> None:
    """The next batch is encoded before the last one is decoded, while another one is denoised."""
    layout = {"text_encoders": {"ranks": 0}, "transformer": {"ranks": 1}, "vae": {"ranks": 2}}

    def begin(lane: list[Event], name: str) -> float:
        return next(e["ts"] for e in lane if e["name"] == name)

    # A busy machine may let three ranks work one after the other, now and then.
    overlaps = []
    for attempt in range(4):
        (tmp_path / str(attempt)).mkdir()
        events, _ = traced(layout, 6, tmp_path / str(attempt))
        encoders, transformer, vae = lanes(events, "measured")
        for batch in range(1, 5):
            next_encoded = begin(encoders, f"encode batch {batch + 1} step 0")
            assert next_encoded < begin(transformer, f"forward batch {batch} step 3")
        overlaps.append(sum(overlapping_decodes(transformer, vae)))
        if overlaps[-1] >= 4:
            return
    raise AssertionError(overlaps)


def test_a_trace_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    job = write_yaml(small_job(), tmp_path)
    ending = run_program(["render", str(job), "--trace", str(job / "t.json")])
    ending.says(73, "job.yaml/t.json] creating", "a file stands where a folder should")
    assert samples(tmp_path) == []


def test_deadlines_that_are_none(tmp_path: Path) -> None:
    job = write_yaml(small_job(), tmp_path)
    for seconds in ["0", "-3", "soon", "2x", "nan", "1e9"]:
        ending = run_program(["render", str(job), f"--deadline={seconds}"])
        ending.says(64, "[command] --deadline", f"{seconds} is not a number of seconds above 0")


def test_work_is_counted(tmp_path: Path) -> None:
    """The parts of a pipeline's stages are the whole of one rank, to the FLOP."""
    job = small_job(prompts=["a red star", "a dog"], layout={"transformer": {"ranks": 0}})
    assert render(job, tmp_path).code == 0
    (alone,) = json.loads((tmp_path / "out" / "report.json").read_text())["ranks"]
    assert all(alone["stages"][stage]["flops"] > 0 for stage in ["encode", "denoise", "decode"])

    folder = tmp_path / "three"
    folder.mkdir()
    layout = {"transformer": {"ranks": 1}, "text_encoders": {"ranks": 0}, "vae": {"ranks": 2}}
    assert render(job | {"layout": layout}, folder, ranks=3).code == 0
    ranks = json.loads((folder / "out" / "report.json").read_text())["ranks"]
    for stage in ["encode", "denoise", "decode"]:
        parts = [rank["stages"][stage]["flops"] for rank in ranks]
        assert sum(parts) == alone["stages"][stage]["flops"]
        assert sorted(parts)[:2] == [0, 0]
