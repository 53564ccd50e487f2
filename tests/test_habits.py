"""What people meet before the code: the tiers of tests, and documents that name what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LATE_COLLECTION = """
import builtins, gc
from hypothesis import given, strategies

@given(strategies.integers())
def test(number): pass

test()
gc.set_threshold(1)

class Late:
    def __del__(self):
        self.kept = [[i] for i in range(3000)]

builtins.late = Late()  # goes after every module has been emptied
"""


def test_nothing_is_printed_when_a_process_that_used_hypothesis_ends(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text((ROOT / "tests/conftest.py").read_text() + LATE_COLLECTION)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "run"),
    [([], ["quick", "slow"]), (["-m", "not slow"], ["quick"]), (["-m", "slow"], ["slow"]), (["-m", "long"], ["long"])],
)
def test_long_tests_run_only_where_they_are_asked_for(words: list[str], run: list[str], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    marked = (
        "def test_quick(): pass\n@pytest.mark.slow\ndef test_slow(): pass\n@pytest.mark.long\ndef test_long(): pass\n"
    )
    (tmp_path / "test_tiers.py").write_text("import pytest\n" + marked)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    quiet = ["-p", "no:cacheprovider", "--collect-only", str(tmp_path), *words]
    done = subprocess.run([*command, *quiet], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.findall(r"::test_(\w+)", done.stdout) == run, done.stderr
