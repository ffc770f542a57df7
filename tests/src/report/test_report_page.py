"""report.html in a real browser: headless Chromium, which sees the file and no network."""

import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
MAKE_WATCHED = Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests" / "make_watched"
HOSTILE = (
    "<script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\">'\"&"
)
CHROMIUM = [
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr", "--hide-scrollbars",
]  # fmt: skip


class Page(HTMLParser):
    """What a document holds: its words, and its elements with their attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_data(self, data: str) -> None:
        self.words += data + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def browse(page: Path, profile: Path, *arguments: str) -> tuple[str, list[str]]:
    """What the browser prints, and what the page's console says."""
    ending = subprocess.run(
        [*CHROMIUM, f"--user-data-dir={profile}", *arguments, page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    talk = ending.stderr.decode("utf-8", "replace").splitlines()
    return ending.stdout.decode("utf-8"), [line for line in talk if "CONSOLE" in line]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched") / "out <b>1"
    subprocess.run([MAKE_WATCHED, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def page(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page as the browser understood it."""
    document, console = browse(
        out / "report.html", tmp_path_factory.mktemp("profile"), "--dump-dom"
    )
    assert console == []
    return Page(document)


def test_the_numbers_are_there(page: Page) -> None:
    words = " ".join(page.words.replace("\xa0", " ").split())
    for text in [
        "all done, 1 failed", "Done 23 of 24", "Failed 1", "4 min", "2 runs",
        "rank 0", "rank 3", "9.0 GiB, planned 9.3 GiB, of 16 GiB", "62 s", "12.5 % 15.0 %",
        "2027-01-15T08:00:00", "node-1", '"replicas": 2',
    ]:  # fmt: skip
        assert text in words, (text, words)
    assert len(page.all("figure")) == 23
    lanes = [a["aria-label"] for a in page.all("svg") if "rank" in (a["aria-label"] or "")]
    assert [re.match(r"rank \d: busy \d+ %", lane or "") is not None for lane in lanes] == [True] * 4


def test_what_users_wrote_is_read_and_not_run(page: Page) -> None:
    assert page.all("script") == []
    assert page.words.split("\n\n")[1:2] == ["out <b>1 · trireme"]  # as no script has changed it
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE in [image["alt"] for image in page.all("img")]
    assert f"NaN after step 3: {HOSTILE}" in page.words
    assert f"a slow disk: {HOSTILE}" in page.words
    assert page.all("b") == [{}] * 5  # of the lanes: none of the model's name


def test_nothing_is_asked_of_others(out: Path) -> None:
    text = (out / "report.html").read_text("utf-8")
    assert len(text) < 2_000_000
    assert re.findall(r"(?:src|href|url)\s*=?\s*\(?[\"']?https?:", text) == []
    assert "default-src 'none'" in text


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_light_and_dark_on_wide_and_narrow_screens(
    out: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    shot = tmp_path / f"{scheme}-{width}.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browse(
        out / "report.html", tmp_path / "profile", f"--window-size={width},2600",
        f"--screenshot={shot}", *dark,
    )  # fmt: skip
    with Image.open(shot) as image:
        assert image.width == width
        corner = sum(image.convert("RGB").getpixel((2, 2))) / 3
        assert corner < 60 if scheme == "dark" else corner > 200
        colours = image.convert("RGB").getcolors(1 << 24) or []
        assert len(colours) > 500  # the contact sheet
