"""What the planner predicts beside times that others published.

    .venv/bin/python tests/bench/published_times.py [POINTS.json]

POINTS.json: {"points": [{model, px, steps, machine, gpus, method, seconds, ...}]}; by default those
that configs/clusters/published is fitted to. The last line is `mean M %, p90 N %`."""
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/tests/published_times"


def quantile(values, part):
    """In a line between the neighbours, as numpy does it."""
    values = sorted(values)
    at = part * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/goldens/published_times.json"
    points = json.loads(pathlib.Path(path).read_text())["points"]
    out = subprocess.run([PROGRAM, path], input=f"{ROOT}/configs/clusters/published\n", check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    errors = []
    for point, found in zip(points, json.loads(out)):
        what = "{machine:34}{model:18}{px:5} px {gpus:3} GPUs  {method:34}".format(**point)
        if "error" in found:
            print(f"{what} no prediction: {found['error']}")
            errors.append(100.0)
            continue
        error = (found["seconds"] / point["seconds"] - 1) * 100
        errors.append(abs(error))
        note = f"  ({found['note']})" if found["note"] else ""
        print(f"{what}{point['seconds']:9.3f} s published{found['seconds']:9.3f} s predicted"
              f"{error:+7.1f} %{note}")
    print(f"mean {statistics.mean(errors):.1f} %, p90 {quantile(errors, 0.9):.1f} %")


if __name__ == "__main__":
    main()
