"""What people meet before the code: the tiers of tests, and documents that name what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/code_task/README.md"]
EARLY = """
import ctypes, sys, types
early = sys.modules["early"] = types.ModuleType("early")

class Late:
    def __del__(self, range=range):
        self.kept = [[number] for number in range(30000)]
"""
LATE = """
from hypothesis import given, strategies

@given(strategies.integers())
def test(number): pass

test()
early.late = Late()
# As libraries in C do: hold on to modules, so that these are emptied one by one, the first imported last.
for module in (early, sys.modules["hypothesis.internal.conjecture.junkdrawer"]):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(module))
"""


@pytest.mark.slow
def test_nothing_is_printed_when_a_process_that_used_hypothesis_ends(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    conftest = (ROOT / "tests/conftest.py").read_text().replace("from __future__ import annotations\n", "")
    script.write_text(EARLY + conftest + LATE)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "run"),
    [
        ([], ["quick", "slow"]),
        (["-m", "not slow"], ["quick"]),
        (["-m", "slow"], ["slow"]),
        (["-m", "long"], ["long"]),
    ],
)
def test_long_tests_run_only_where_they_are_asked_for(words: list[str], run: list[str], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    marked = (
        "def test_quick(): pass\n@pytest.mark.slow\ndef test_slow(): pass\n@pytest.mark.long\ndef test_long(): pass\n"
    )
    (tmp_path / "test_tiers.py").write_text("import pytest\n" + marked)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    quiet = ["-p", "no:cacheprovider", "--collect-only", str(tmp_path), *words]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # loading the plugins takes longest
    done = subprocess.run([*command, *quiet], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert re.findall(r"::test_(\w+)", done.stdout) == run, done.stderr


def test_contributing_names_files_and_dicts_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tables = re.findall(r"`([A-Z_]+)`\s+(?:in|at the end of)\s+(?:the same file|`(src/[\w./]+)`)", text)
    known = {"METHODS", "LOSSES", "ENGINES", "KINDS", "SCHEDULES", "CAP_SCHEDULES", "HEALTH"}
    known |= {"TRACKERS", "EMBEDDED_TASKS", "REASONERS", "VERBS", "BLOCKS", "FORMATS"}
    assert {name for name, _ in tables} == known
    for name, file in tables:
        code = (ROOT / (file or "src/tersely/objective/schedule.py")).read_text(encoding="utf-8")
        assert re.search(rf"^{name}\b.*= ", code, re.M), (name, file)
    for path in re.findall(r"`((?:src|tests|scripts|docs)/[\w./]+)`", text):
        assert (ROOT / path).exists() or "NAME" in path or "ROOM" in path, path
    for path in re.findall(r"`((?:methods|losses|samplers|kinds|trackers)/[\w]+\.py)`", text):
        assert list((ROOT / "src/tersely").rglob(path)), path


@pytest.mark.parametrize("page", [*PAGES, *sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md"))])
def test_links_between_the_documents_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / link).exists(), link
