"""The metrics of ranks, read by Prometheus' own parser."""

import os
import subprocess
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
MAKE_WATCHED = Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests" / "make_watched"
OUTPUT = 'a "quoted\\path"\nof two lines'


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of four ranks."""
    out = tmp_path_factory.mktemp("watched")
    subprocess.run([MAKE_WATCHED, out], check=True)
    files = sorted((out / "metrics").iterdir())
    assert [file.name for file in files] == [f"rank-{rank:05}.prom" for rank in range(4)]
    return [file.read_text("utf-8") for file in files]


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_all_lines_are_read_with_their_labels(texts: list[str]) -> None:
    for rank, text in enumerate(texts):
        samples = [sample for family in families(text).values() for sample in family.samples]
        assert len(samples) == len([line for line in text.splitlines() if line[0] != "#"])
        for sample in samples:
            assert (sample.labels["rank"], sample.labels["output"]) == (str(rank), OUTPUT)
            assert sample.timestamp is None  # the node exporter's collector refuses times


def test_names_and_types_follow_the_rules(texts: list[str]) -> None:
    found = families(texts[1])
    assert all(name.startswith("trireme_") for name in found)
    assert all(family.documentation.endswith(".") for family in found.values())
    for family in found.values():
        assert family.type in ("counter", "gauge"), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
    values = {
        sample.labels["status"]: sample.value for sample in found["trireme_samples"].samples
    }
    assert values == {"done": 12, "failed": 1, "skipped": 0}
    (denoise,) = found["trireme_seconds"].samples
    assert (denoise.labels["stage"], denoise.value) == ("denoise", 80.5)


def test_files_of_ranks_lie_in_one_folder(texts: list[str]) -> None:
    """No line is there twice, and families agree on their texts, as the collector demands."""
    heads: dict[str, tuple[str, str]] = {}
    seen = set()
    for text in texts:
        for name, family in families(text).items():
            head = (family.documentation, family.type)
            assert heads.setdefault(name, head) == head
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in seen
                seen.add(key)
