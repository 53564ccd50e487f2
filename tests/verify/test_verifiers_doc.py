"""The example of docs/verifiers.md runs as it is printed, and no cheap trick passes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from tersely.records import Problem, Status, content_id
from tersely.verify import Judge

PAGE = Path(__file__).parents[2] / "docs" / "verifiers.md"


@pytest.mark.slow
def test_the_example_of_the_page_grades_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(b for b in re.findall(r"```python\n(.*?)\n```\n", PAGE.read_text("utf-8"), re.S) if "def passes" in b)
    (tmp_path / "rewards.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "rewards", raising=False)
    question = "Write double(x)."
    payload = MappingProxyType({"tests": ["assert double(2) == 4", "assert double(3) == 6"]})
    problem = Problem(content_id(question, None), question, None, "math", "code", payload=payload)
    codes = [
        "def double(x): return 2 * x",
        "def double(x): return x * x",
        "raise SystemExit(0)",
        "while True: pass",
        "print('\\udc80')",
        "def double(x): return bytearray(10**12)",
    ]
    responses = [f"Here:\n```python\n{code}\n```\nDone." for code in codes] + ["no code"]
    with Judge(verifier="rewards:passes", cpu_seconds=2.0) as judge:
        found = judge.grade([(problem, response) for response in responses])
    assert [v.score for v in found] == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0], [v.reason for v in found]
    assert [v.status for v in found] == [Status.CORRECT] + [Status.WRONG] * 6
