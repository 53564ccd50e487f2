"""The documents name what is there: files, rooms, links; and what the README prints runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tersely.cli import build_parser

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/tersely"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_file_that_the_design_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", read("docs/design.md")))
    roots = (ROOT, PACKAGE, PACKAGE / "verify")
    assert "learn/batch.py" in named
    assert {path for path in named if not any((root / path).exists() for root in roots)} == set()


def test_every_room_stands_in_the_table_of_the_design() -> None:
    rooms = {f"{p.name}/" for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()} - {"recipes/"}
    files = {p.name for p in PACKAGE.glob("*.py")} - {"__main__.py"}
    assert {room for room in rooms | files if f"`{room}`" not in read("docs/design.md")} == set()


def test_the_design_tells_the_chain_that_is_counted() -> None:
    told = re.findall(r"^ +\d +(?:[\w.]+\.)?(\w+) ", read("docs/design.md"), re.MULTILINE)
    assert told == ["train", "step", "update", "_micro_batch", "policy_loss"]  # tests/learn/test_chain.py counts them


def test_no_page_links_to_a_file_that_is_not_there() -> None:
    links = [(p, link) for p in PAGES for link in re.findall(r"\]\((?!https?:)([^)#]+)", p.read_text(encoding="utf-8"))]
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command of ours that stands on a line of its own in a block of a page."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        shells = "\n".join(text for language, text in blocks if language in ("", "bash", "sh"))
        lines = shells.replace("\\\n", " ").splitlines()
        words = [shlex.split(line, comments=True) for line in lines if line.startswith("tersely ")]
        found += [(page.name, each[1:]) for each in words]
    return found


def test_every_command_on_the_pages_is_one() -> None:
    assert {page for page, _ in commands()} >= {"README.md", "data.md", "first-model.md", "planning.md"}
    parser = build_parser()
    for page, words in commands():
        try:
            parser.parse_args(words)
        except SystemExit:
            raise AssertionError(f"{page}: tersely {shlex.join(words)}") from None


@pytest.mark.slow
def test_the_parts_alone_run_as_the_readme_prints_them() -> None:
    code = re.search(r"## The parts alone.*?```python\n(.*?)```", read("README.md"), re.DOTALL)
    assert code is not None
    check = "\nassert credit.rewards_G[0] > credit.rewards_G[1] > credit.rewards_G[2] == 0"
    done = subprocess.run([sys.executable, "-c", code[1] + check], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
