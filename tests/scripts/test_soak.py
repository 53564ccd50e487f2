"""scripts/soak: a few seconds of it, and its figures in docs/reliability.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| ([^|]+) \| [^|]+ \| ([\d,]+) \| [^|]+ \| (\d+) \|")


@pytest.mark.long
def test_a_few_seconds_break_no_promise() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/soak.py"), "--seconds", "8", "--seed", "5"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = ROW.findall(done.stdout)
    assert len(rows) == 7
    assert all(int(tried.replace(",", "")) > 0 and broken == "0" for _, tried, broken in rows)


def test_the_page_holds_the_last_figures_of_every_part() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    rows = {name: (int(tried.replace(",", "")), int(broken)) for name, tried, broken in ROW.findall(page)}
    names = re.findall(r'^ +Part\("([^"]+)"', (ROOT / "scripts/soak.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert list(rows) == names != []
    assert rows["accidents to files"][0] >= 1000
    assert all(broken == 0 for _, broken in rows.values())
