import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from script_tree import ScriptTree  # noqa: E402


@pytest.fixture
def tree() -> Iterator[ScriptTree]:
    # Not tmp_path: a plain user cannot enter root's.
    folder = Path(tempfile.mkdtemp(prefix="trireme-scripts-"))
    folder.chmod(0o755)
    yield ScriptTree(folder.resolve())
    shutil.rmtree(folder)
