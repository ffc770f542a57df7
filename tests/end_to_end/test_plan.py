"""`trireme plan`: what it says, to people and to machines, and that render does just that."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoints import Checkpoints
from program import Job, output_bytes, render, report, trireme, write_job
from published import PIXART, write_folder
from small_jobs import sd3_job

GB = 10**9
LARGE = "sd3.5-large"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("published")
    return {model: write_folder(model, base / model) for model in [LARGE, PIXART]}


def job_of(model: Path, pictures: int = 1, **changes: Any) -> Job:
    prompts = [f"picture {i}" for i in range(pictures)]
    return {"model": {"path": str(model)}, "device": "auto", "prompts": prompts} | changes


def plan(job: Job, folder: Path, *arguments: str) -> dict[str, Any]:
    done = trireme(["plan", str(write_job(job, folder)), "--json", *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def cluster_file(folder: Path, **keys: Any) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cluster.yaml"
    file.write_text(json.dumps(keys))
    return str(file)


def test_what_machines_read(published: dict[str, Path], tmp_path: Path) -> None:
    said = plan(job_of(published[LARGE], 100), tmp_path, "--cluster", "l40s", "--ranks", "4")
    assert {"layout", "seconds_per_image", "images_per_hour", "bubble", "candidates"} <= said.keys()
    assert 0 <= said["bubble"] <= 1
    assert [rank["rank"] for rank in said["ranks"]] == [0, 1, 2, 3]
    for rank in said["ranks"]:
        assert {"replica", "node", "weights_bytes", "peak_bytes", "limit_bytes"} <= rank.keys()
        assert rank["peak_bytes"] <= rank["limit_bytes"] <= 48 * GB
        for stage in ["encode", "denoise", "decode"]:
            keys = {"weights_bytes", "activations_bytes", "buffers_bytes", "seconds"}
            assert keys <= rank["stages"][stage].keys()
    for rival in said["candidates"]:
        keys = {"layout", "seconds_per_image", "images_per_hour", "peak_bytes", "fits", "why"}
        assert keys <= rival.keys() and rival["why"]


def test_as_many_candidates_as_asked_for(published: dict[str, Path], tmp_path: Path) -> None:
    job = job_of(published[PIXART], 100)
    said = plan(job, tmp_path, "--cluster", "h100", "--ranks", "4", "--candidates", "20")
    assert len(said["candidates"]) == 20
    assert len({json.dumps(rival["layout"]) for rival in said["candidates"]}) == 20
    per_hour = [rival["images_per_hour"] for rival in said["candidates"] if rival["fits"]]
    assert max(per_hour) <= said["images_per_hour"] * 1.05


@pytest.mark.parametrize(("ranks", "limit"), [(64, 1.0), (1024, 10.0)])
def test_quickly(ranks: int, limit: float, published: dict[str, Path], tmp_path: Path) -> None:
    """Processor time of the search: the program's start is taken off."""
    (tmp_path / "prompts.txt").write_text("a cat\n" * 20_000)
    job = job_of(published[LARGE]) | {"dataset": {"path": "prompts.txt"}}
    del job["prompts"]
    plan(job, tmp_path, "--cluster", "h200", "--ranks", "1")
    times = []
    for count in ["1", str(ranks)]:
        begun = time.perf_counter()
        plan(job, tmp_path, "--cluster", "h200", "--ranks", count)
        times.append(time.perf_counter() - begun)
    assert times[1] - times[0] < limit


def test_goals(published: dict[str, Path], tmp_path: Path) -> None:
    said = {
        goal: plan(
            job_of(published[LARGE], 100, layout={"for": goal}),
            tmp_path,
            "--cluster",
            "h200",
            "--ranks",
            "8",
        )
        for goal in ["throughput", "latency", "memory"]
    }
    peak = {goal: max(rank["peak_bytes"] for rank in p["ranks"]) for goal, p in said.items()}
    assert said["throughput"]["images_per_hour"] > said["latency"]["images_per_hour"]
    assert said["latency"]["seconds_per_image"] < 0.5 * said["throughput"]["seconds_per_image"]
    assert peak["memory"] < 0.5 * peak["latency"] and peak["memory"] < 0.5 * peak["throughput"]


def test_what_does_not_fit_is_told_what_would(
    published: dict[str, Path], tmp_path: Path
) -> None:
    cluster = cluster_file(
        tmp_path, nodes=[{"devices": 2, "device": {"like": "4090", "memory_GB": 8}}]
    )
    file = write_job(job_of(published[LARGE]), tmp_path)
    done = trireme(["plan", str(file), "--cluster", cluster])
    assert done.returncode == 69
    assert "[plan]" in done.stderr and "8.00 GB" in done.stderr
    assert "components: {transformer: {quantize: int8}} (-" in done.stderr
    assert "4 ranks instead of 2" in done.stderr
    # And it is so.
    changed = job_of(published[LARGE])
    changed["model"] |= {"components": {"transformer": {"quantize": "int8"}}}
    assert plan(changed, tmp_path / "int8", "--cluster", cluster)["fits"]


def test_codes_only_where_the_job_allows_them(
    published: dict[str, Path], tmp_path: Path
) -> None:
    cluster = cluster_file(
        tmp_path, nodes=[{"devices": 2, "device": {"like": "4090", "memory_GB": 8}}]
    )
    job = job_of(published[LARGE], layout={"quantize": ["int8", "nf4"]})
    done = trireme(["plan", str(write_job(job, tmp_path)), "--cluster", cluster])
    assert done.returncode == 0, done.stderr
    assert "quantized to int8, as the job allows" in done.stderr


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"nodes": []}, "nodes"),
        ({"nodes": [{"devices": 2, "device": {"like": "h3000"}}]}, "h3000"),
        ({"nodes": [{"devices": 0, "device": {"like": "h100"}}]}, "devices"),
        ({"nodes": [{"devices": 2, "device": {"like": "h100", "memory_GB": -4}}]}, "-4"),
    ],
    ids=["no-nodes", "unknown-device", "no-devices", "negative-memory"],
)
def test_a_cluster_that_contradicts_itself(
    keys: dict[str, Any], said: str, published: dict[str, Path], tmp_path: Path
) -> None:
    file = write_job(job_of(published[PIXART]), tmp_path)
    done = trireme(["plan", str(file), "--cluster", cluster_file(tmp_path, **keys)])
    assert done.returncode == 78, done.stderr
    assert said in done.stderr and "->" in done.stderr


def test_a_job_that_contradicts_its_cluster(published: dict[str, Path], tmp_path: Path) -> None:
    job = job_of(published[PIXART], layout={"transformer": {"ranks": "all", "tensor": 3}})
    done = trireme(["plan", str(write_job(job, tmp_path)), "--cluster", "h100", "--ranks", "4"])
    assert done.returncode == 78
    assert "tensor 3 = 3 -> the number of its ranks, 4" in done.stderr


def test_nodes_of_different_memory(published: dict[str, Path], tmp_path: Path) -> None:
    """Everything goes where it fits: a rank of 12 GB beside one of 48."""
    nodes = [
        {"name": "large", "devices": 1, "device": {"like": "l40s"}},
        {"name": "small", "devices": 1, "device": {"like": "4090", "memory_GB": 12}},
    ]
    between = {"latency_us": 20, "GBps": 11}
    cluster = cluster_file(tmp_path, nodes=nodes, between=between)
    said = plan(job_of(published[LARGE], 50), tmp_path, "--cluster", cluster)
    for rank in said["ranks"]:
        assert rank["peak_bytes"] <= rank["limit_bytes"]
    assert said["ranks"][0]["weights_bytes"] > said["ranks"][1]["weights_bytes"]


def test_lanes(published: dict[str, Path], tmp_path: Path) -> None:
    lanes = tmp_path / "lanes.json"
    job = job_of(published[PIXART], 20, layout={"transformer": {"pipeline": 4}})
    plan(job, tmp_path, "--cluster", "l40", "--ranks", "4", "--trace", str(lanes))
    events = json.loads(lanes.read_text())
    events = events if isinstance(events, list) else events["traceEvents"]
    assert {event["tid"] for event in events if event["ph"] == "X"} == {0, 1, 2, 3}


def test_in_words(published: dict[str, Path], tmp_path: Path) -> None:
    file = write_job(job_of(published[LARGE], 10), tmp_path)
    done = trireme(["plan", str(file), "--cluster", "h200", "--ranks", "2", "--explain"])
    assert done.returncode == 0
    for text in ["10 pictures of 1024 x 1024 pixels", "2 h200", "layout: ", "holds", "matrix products",
                 "pictures/h", "best of", "why not"]:
        assert text in done.stdout, text


def test_render_does_what_was_planned(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = sd3_job(checkpoints)
    auto = render(job | {"layout": "auto"}, tmp_path / "auto", ranks=2).ok
    assert auto.stderr.count("layout: ") == 1
    planned = report(auto)["predicted"]
    given = render(job | {"layout": planned["layout"]}, tmp_path / "given", ranks=2).ok
    assert "layout: " not in given.stderr
    assert output_bytes(auto.folder) == output_bytes(given.folder)
    assert report(given)["predicted"]["layout"] == planned["layout"]


def test_one_rank_needs_no_cluster(checkpoints: Checkpoints, tmp_path: Path) -> None:
    said = plan(sd3_job(checkpoints), tmp_path)
    assert len(said["ranks"]) == 1 and said["layout"]["replicas"] == 1
