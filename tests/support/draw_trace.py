"""Draws the lanes of a trace (`plan --trace`, `render --trace`) as a PNG, for docs."""

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLORS = {
    "encode": "#7b4fa3",
    "begin": "#b9a6d6",
    "forward": "#3f7fbf",
    "step": "#7fb2e5",
    "decode": "#e08a3c",
    "turn": "#dddddd",
}
WIDTH, LANE, GAP, LEFT, TOP = 1200, 22, 5, 90, 26


def spans(file: Path) -> dict[str, list[dict]]:
    """What computes, by the name of its trace."""
    events = json.loads(file.read_text())
    events = events if isinstance(events, list) else events["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e.get("name") == "process_name"}
    traces: dict[str, list[dict]] = {name: [] for name in names.values()}
    for event in events:
        kind = event["name"].split()[0]
        if event["ph"] == "X" and kind in COLORS and event.get("dur", 0) > 0:
            batch = int(event["name"].split()[2])
            traces[names[event["pid"]]].append(event | {"kind": kind, "batch": batch})
    return {name: lane for name, lane in traces.items() if lane}


def shade(color: str, batch: int) -> tuple[int, int, int]:
    """Batches next to each other look different."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    light = (0.0, 0.25, 0.5)[batch % 3]
    return tuple(int(c + (255 - c) * light) for c in channels)  # type: ignore[return-value]


def draw(traces: dict[str, list[dict]], seconds: float | None) -> Image.Image:
    lanes = {name: sorted({e["tid"] for e in events}) for name, events in traces.items()}
    height = sum(TOP + len(ids) * (LANE + GAP) for ids in lanes.values()) + TOP
    image = Image.new("RGB", (WIDTH, height), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    end = max(e["ts"] + e["dur"] for events in traces.values() for e in events)
    end = min(end, seconds * 1e6) if seconds else end
    scale = (WIDTH - LEFT - 10) / end
    top = 0
    for name, events in traces.items():
        pen.text((4, top + 4), f"{name}: {end / 1e6:.3g} seconds", "black", font)
        top += TOP
        for row, lane in enumerate(lanes[name]):
            y = top + row * (LANE + GAP)
            pen.text((4, y + 3), f"rank {lane}", "black", font)
            pen.rectangle((LEFT, y, WIDTH - 10, y + LANE), "#f3f3f3")
            for event in (e for e in events if e["tid"] == lane and e["ts"] < end):
                x = LEFT + event["ts"] * scale
                right = min(x + max(event["dur"] * scale, 1), WIDTH - 10)
                batch = event["batch"]
                pen.rectangle((x, y, right, y + LANE), shade(COLORS[event["kind"]], batch))
        top += len(lanes[name]) * (LANE + GAP)
    x = LEFT
    for kind in ["encode", "begin", "forward", "step", "decode"]:
        pen.rectangle((x, top + 6, x + 14, top + 20), COLORS[kind])
        pen.text((x + 20, top + 5), kind, "black", font)
        x += 110
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, help="only the beginning")
    options = parser.parse_args()
    draw(spans(options.trace), options.seconds).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()
