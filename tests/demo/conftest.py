"""The demo's modules are scripts' neighbours, not a package: tests find them as the scripts do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))
