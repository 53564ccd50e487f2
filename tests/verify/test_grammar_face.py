"""The grammar has one face: nobody outside its folder imports what lies behind it."""

from __future__ import annotations

import ast
from pathlib import Path

import tersely.verify.grammar as face
from parsing import parse

ROOT = Path(__file__).parents[2]
BEHIND = {path.stem for path in Path(face.__file__).parent.glob("*.py")} - {"__init__"}


def reaches(source: str) -> set[str]:
    """Submodules of the grammar that a source imports, in whatever spelling."""
    found: set[str] = set()
    if "grammar" not in source:
        return found
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
        else:
            continue
        for name in names:
            _, inside, rest = name.partition("verify.grammar.")
            found |= {rest.split(".")[0]} & BEHIND if inside else set()
    return found


def test_nobody_outside_imports_what_lies_behind_the_face() -> None:
    files = [path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")]
    outside = [path for path in files if Path(face.__file__).parent not in path.parents]
    assert len(outside) > 100
    assert {str(path.relative_to(ROOT)): found for path in outside if (found := reaches(path.read_text("utf-8")))} == {}


def test_the_check_sees_every_spelling() -> None:
    for line in (
        "import tersely.verify.grammar.forms",
        "from tersely.verify.grammar import forms",
        "from tersely.verify.grammar.forms import read",
        "def f():\n    from tersely.verify.grammar.forms import read as r",
    ):
        assert reaches(line) == {"forms"}
    assert reaches("from tersely.verify.grammar import read, equal") == set()


def test_everything_the_face_names_is_there() -> None:
    assert [name for name in face.__all__ if not hasattr(face, name)] == []
