"""The planner's order of ten layouts of a job, by work, bytes and bubble, is the order by what runs
count: FLOPs of the busiest rank, bytes that it sends, visits that a stage sits out."""

import json
from pathlib import Path
from typing import Any

from checkpoints import Checkpoints
from program import Job, render, report, trireme, write_job

RANKS, PICTURES, STEPS = 4, 8, 6
# Rates at which work, bytes and bubble all matter: what is compared are counts.
FLOPS, BYTES = 2e10, 2e8

ON_ALL = {"text_encoders": {"ranks": 0}, "vae": {"ranks": 0}}
LAYOUTS: dict[str, dict[str, Any]] = {
    "replicas": {"replicas": 4, "transformer": {}},
    "two-replicas-guidance": {"replicas": 2, "transformer": {"guidance": 2}},
    "two-replicas-pipeline": {"replicas": 2, "transformer": {"pipeline": 2}},
    "two-replicas-tensor": {"replicas": 2, "transformer": {"tensor": 2}},
    "two-replicas-sequence": {"replicas": 2, "transformer": {"sequence": 2}},
    "guidance-pipeline": {"transformer": {"guidance": 2, "pipeline": 2}},
    "guidance-tensor": {"transformer": {"guidance": 2, "tensor": 2}},
    "tensor": {"transformer": {"tensor": 4}},
    "sequence": {"transformer": {"sequence": 4}},
    "pipeline-tensor": {"transformer": {"pipeline": 2, "tensor": 2}},
}


def idle(layout: dict[str, Any]) -> float:
    """Of a stage's visits, if stages are equal: planner's counts, section 7."""
    stages = layout["transformer"].get("pipeline", 1)
    visits = PICTURES // layout.get("replicas", 1) * STEPS
    return (stages - 1) / (visits + stages - 1)


def busiest(amounts: list[float], layout: dict[str, Any]) -> float:
    """Of each replica's ranks the one with most; the mean of that over replicas, of which in a run
    the quicker ones take more pictures."""
    replicas = layout.get("replicas", 1)
    size = len(amounts) // replicas
    return sum(max(amounts[i * size : (i + 1) * size]) for i in range(replicas)) / replicas


def flops_of(ranks: list[dict[str, Any]], layout: dict[str, Any]) -> float:
    """Without text: each replica encodes the negative prompt once, which a plan spreads over all."""
    stages = ["denoise", "decode"]
    return busiest([sum(rank["stages"][stage]["flops"] for stage in stages) for rank in ranks], layout)


def sent_by(ranks: list[dict[str, Any]], layout: dict[str, Any]) -> float:
    """Inside components: what stages hand on is the same for all that have them."""
    kinds = ["all_reduce", "all_gather", "all_to_all"]
    return busiest([sum(rank["sent_bytes"].get(kind, 0) for kind in kinds) for rank in ranks], layout)


def cost(ranks: list[dict[str, Any]], layout: dict[str, Any]) -> float:
    work = flops_of(ranks, layout) / FLOPS + sent_by(ranks, layout) / BYTES
    return work / (1 - idle(layout))


def job_of(checkpoints: Checkpoints, layout: dict[str, Any]) -> Job:
    transformer = {"ranks": "all"} | layout["transformer"]
    return {
        "model": checkpoints.model("sd3.5-medium"),
        "prompts": [f"picture {number}" for number in range(PICTURES)],
        "sampling": {"height": 128, "width": 128, "num_inference_steps": STEPS},
        "layout": {"batch_size": 1} | ON_ALL | layout | {"transformer": transformer},
    }


def test_ten_layouts(checkpoints: Checkpoints, tmp_path: Path) -> None:
    planned, counted = {}, {}
    for name, layout in LAYOUTS.items():
        job = job_of(checkpoints, layout)
        file = write_job(job, tmp_path / name)
        said = trireme(["plan", str(file), "--ranks", str(RANKS), "--json"])
        assert said.returncode == 0, said.stderr
        ranks = json.loads(said.stdout)["ranks"]
        run = report(render(job, tmp_path / name, RANKS).ok)["ranks"]
        assert abs(flops_of(ranks, layout) / flops_of(run, layout) - 1) < 0.01, name
        planned[name], counted[name] = cost(ranks, layout), cost(run, layout)
        print(f"| {name} | {planned[name]:.3f} | {counted[name]:.3f} |")
    names = list(LAYOUTS)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            close = abs(counted[a] / counted[b] - 1) < 0.01
            assert close or (planned[a] < planned[b]) == (counted[a] < counted[b]), (a, b)
