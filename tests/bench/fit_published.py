"""Fits the rates of configs/clusters/published to published times and writes the files.

    .venv/bin/python tests/bench/fit_published.py [POINTS.json] [--folds K [--seed S]]

Each machine has a few free numbers, all near what machines.json says of it: residuals are
log(predicted / published), robust against single points, with a pull of PULL towards that. With
--folds nothing is written: each fold's points are predicted from a fit without them."""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np
from scipy.optimize import least_squares

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/tests/published_times"
PULL = 0.2  # residual of a number that is e times its prior
# Of eager PyTorch and for all machines: machines.json; rows of half a product's rate by trying.
TRAFFIC, HALF_ROWS = 38, 256

# Free numbers by machine, with their priors; what is not there is what the known device has.
SMS = dict(launch_us=60)
PCIE = dict(GBps=14, collective_GBps=18, a2a_2=18, a2a_8=1.2, hidden=0.5, latency_us=50)
LINKS = ("GBps", "collective_GBps", "a2a_2", "a2a_8", "hidden", "latency_us", "launch_us",
         "copy_GBps")
NVLINK = dict(GBps=100, collective_GBps=100, a2a=100, hidden=0.5, latency_us=50)
MACHINES = {
    "8x A100-SXM-80GB NVLink": dict(like="a100-80", devices=8, free=dict(
        matmul_TFLOPs=230, attention=150, **SMS, **NVLINK)),
    "8x L40 PCIe": dict(like="l40", devices=8, free=dict(
        matmul_TFLOPs=120, attention=123, wide=1.27, copy_GBps=1000, **SMS, **PCIE)),
    "8x L20 PCIe": dict(like="l20", devices=8, near="8x L40 PCIe", free=dict(
        matmul_TFLOPs=95, attention=95, copy_GBps=1000, **SMS, **PCIE)),
    "4x A100 PCIe": dict(like="a100-80", devices=4, near="8x A100-SXM-80GB NVLink",
        taken=("matmul_TFLOPs", "attention", "launch_us", "latency_us"), free=dict(
        matmul_TFLOPs=220, attention=150, **SMS, GBps=14, collective_GBps=18, a2a=6, hidden=0.5,
        latency_us=50)),
    "4x H100 NVLink": dict(like="h100", devices=4, free=dict(
        matmul_TFLOPs=600, attention=322, launch_us=90, **NVLINK)),
    "2 nodes x 8 L40, PCIe + Ethernet": dict(like="l40", devices=8, count=2, base="8x L40 PCIe",
        free=dict(b_GBps=1.2, b_collective_GBps=3, b_a2a=4, b_hidden=0.5, b_latency_us=100)),
    "1x A100-SXM-80GB": dict(like="a100-80", base="8x A100-SXM-80GB NVLink",
                             free=dict(matmul_TFLOPs=230, attention=150)),
    "1x H800": dict(like="h100", free=dict(matmul_TFLOPs=600, attention=322, **SMS)),
    "1x H100 SXM": dict(like="h100", free=dict(matmul_TFLOPs=600, attention=322, **SMS)),
    "1x H200 SXM": dict(like="h200", free=dict(matmul_TFLOPs=650, attention=322, **SMS)),
    "1x RTX 4090": dict(like="4090", free=dict(matmul_TFLOPs=150, attention=140, **SMS)),
}


def link(values, prefix=""):
    v = {k[len(prefix):]: x for k, x in values.items() if k.startswith(prefix)}
    a2a = {}
    if "a2a" in v:
        a2a = {2: v["a2a"]}
    if "a2a_2" in v:
        a2a = {2: v["a2a_2"], 8: v["a2a_8"]}
    text = ", ".join(f"{key}: {v[key]:.8g}"
                     for key in ("latency_us", "GBps", "collective_GBps") if key in v)
    if a2a:
        text += ", all_to_all_GBps: {" + ", ".join(f"{n}: {x:.8g}" for n, x in a2a.items()) + "}"
    return "{" + text + f", hidden: {v['hidden']:.8g}}}"


def yaml(name, machine, values):
    v = values
    lines = [f'name: "{name}"', "nodes:",
             f"  - count: {machine.get('count', 1)}",
             f"    devices: {machine.get('devices', 1)}",
             "    device:",
             f"      like: {machine['like']}",
             f"      matmul_TFLOPs: {v['matmul_TFLOPs']:.8g}",
             f"      traffic: {TRAFFIC}",
             f"      half_rows: {HALF_ROWS}"]
    if "attention" in v:
        lines.append("      attention_TFLOPs: {64: %.8g, 128: %.8g}"
                     % (v["attention"], v["attention"] * v.get("wide", 1.27)))
    if "copy_GBps" in v:
        lines.append(f"      copy_GBps: {v['copy_GBps']:.8g}")
    if "launch_us" in v:
        lines.append(f"      launch_us: {v['launch_us']:.8g}")
    if machine.get("devices", 1) > 1:
        lines.append("    link: " + link({k: x for k, x in v.items() if not k.startswith("b_")}))
    if machine.get("count", 1) > 1:
        lines.append("between: " + link(v, "b_"))
    return "\n".join(lines) + "\n"


class Predictor:
    """Seconds of all points for some {name: yaml}, by one process that stays."""

    def __init__(self, points):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        (self.path / "points.json").write_text(json.dumps({"points": points}))
        self.process = subprocess.Popen([PROGRAM, self.path / "points.json"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, files):
        for i, text in enumerate(files.values()):
            (self.path / f"{i}.yaml").write_text(text)
        self.process.stdin.write(f"{self.path}\n")
        self.process.stdin.flush()
        return np.array([p["seconds"] for p in json.loads(self.process.stdout.readline())])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def predict(points, files):
    predictor = Predictor(points)
    try:
        return predictor(files)
    finally:
        predictor.close()


def fit(name, machine, points, base, near):
    """The machine's numbers, free and taken over."""
    names = list(machine["free"])
    # Links are near those of a like machine that has more points.
    links = {k: near[k] for k in machine.get("taken", LINKS) if k in near and k in machine["free"]}
    prior = np.array([math.log(x) for x in {**machine["free"], **links}.values()])
    published = np.log([p["seconds"] for p in points])

    def values(x):
        v = dict(base)
        v.update(zip(names, np.exp(x)))
        for key in ("hidden", "b_hidden"):
            if key in v:
                v[key] = min(v[key], 1.0)
        return v

    if not points:
        return values(prior)
    predictor = Predictor(points)

    def residuals(x):
        errors = np.log(predictor({name: yaml(name, machine, values(x))})) - published
        return np.hstack([errors, PULL * (x - prior)])

    found = least_squares(residuals, prior, diff_step=1e-3, loss="cauchy", f_scale=0.1)
    predictor.close()
    return values(found.x)


def fit_all(points):
    fitted = {}
    for name, machine in MACHINES.items():
        own = [p for p in points if p["machine"] == name]
        base = fitted.get(machine.get("base"), {})
        near = fitted.get(machine.get("near"), {})
        fitted[name] = fit(name, machine, own, base, near)
    return fitted


def report(points, predicted):
    errors = np.abs(predicted / np.array([p["seconds"] for p in points]) - 1) * 100
    return f"mean {errors.mean():.1f} %, p90 {np.quantile(errors, 0.9):.1f} %"


def file_name(name):
    return "".join(c if c.isalnum() else "_" for c in name.lower()).replace("__", "_") + ".yaml"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("points", nargs="?", default=ROOT / "tests/goldens/published_times.json")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the division into folds")
    given = parser.parse_args()
    points = json.loads(pathlib.Path(given.points).read_text())["points"]
    if given.folds:
        order = np.random.default_rng(given.seed).permutation(len(points))
        predicted = np.zeros(len(points))
        for fold in range(given.folds):
            left_out = [int(i) for i in order[fold::given.folds]]
            rest = [p for i, p in enumerate(points) if i not in left_out]
            files = {n: yaml(n, MACHINES[n], v) for n, v in fit_all(rest).items()}
            predicted[left_out] = predict([points[i] for i in left_out], files)
        for point, seconds in zip(points, predicted):
            error = (seconds / point["seconds"] - 1) * 100
            print("{machine:34}{model:18}{px:5}  {method:34}".format(**point), f"{error:+7.1f} %")
        print(report(points, predicted))
        return
    for name, values in fit_all(points).items():
        comment = ("# Fitted to published times of this machine by tests/bench/fit_published.py: eager\n"
                   "# PyTorch, and what torch.compile makes of it stands in published_method.cpp.\n")
        path = ROOT / "configs/clusters/published" / file_name(name)
        rounded = {key: float(f"{value:.3g}") for key, value in values.items()}
        path.write_text(comment + yaml(name, MACHINES[name], rounded))


if __name__ == "__main__":
    main()
