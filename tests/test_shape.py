"""Limits that keep the house readable: short modules, short functions, one file for each member of a plug table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from parsing import parse
from tersely.learn.losses import LOSSES
from tersely.objective.methods import METHODS
from tersely.samplers.engines import ENGINES
from tersely.trackers import TRACKERS
from tersely.verify.kinds import KINDS

SRC = Path(__file__).parents[1] / "src"
MOST_LINES_OF_A_MODULE, MOST_LINES_OF_A_FUNCTION = 330, 60

HOMES = {
    "objective/methods": [kind.__module__ for kind in METHODS.values()],
    "learn/losses": [loss.__module__ for loss in LOSSES.values()],
    "verify/kinds": [kind.decide.__module__ for kind in KINDS.values()],
    "trackers": [spec.open.__module__ for spec in TRACKERS.values()],
    "samplers": [place.partition(":")[0] for place in ENGINES.values()],
}
"""Room -> the module of each member of its table."""


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.slow
def test_no_module_and_no_function_is_too_long() -> None:
    long_ones = []
    for path in sorted(SRC.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > MOST_LINES_OF_A_MODULE:
            long_ones.append(f"{path}: {lines} lines")
        found = [node for node in functions(parse(text)) if length(node) > MOST_LINES_OF_A_FUNCTION]
        long_ones += [f"{path}, {node.name}: {length(node)} lines" for node in found]
    assert long_ones == []


def test_a_function_is_measured_with_its_nested_ones_and_its_signature() -> None:
    [outer, inner] = functions(parse("def f(\n    a,\n):\n    def g():\n        pass\n    return g\n"))
    assert (length(outer), length(inner)) == (6, 2)


@pytest.mark.parametrize("room", HOMES)
def test_every_member_of_a_plug_table_has_a_file_of_its_own_in_the_room(room: str) -> None:
    assert HOMES[room]
    assert len(set(HOMES[room])) == len(HOMES[room])
    for module in HOMES[room]:
        path = SRC / f"{module.replace('.', '/')}.py"
        assert path.parent == SRC / "tersely" / room


def unread(source: str) -> list[str]:
    """Private names of a module that nothing in it reads."""
    tree = parse(source)
    made = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    made += [target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
             if isinstance(target, ast.Name)]  # fmt: skip
    made += [
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return [name for name in made if name.startswith("_") and not name.startswith("__") and name not in read]


@pytest.mark.slow
def test_no_private_name_of_a_module_is_dead() -> None:
    assert {str(path): found for path in SRC.rglob("*.py") if (found := unread(path.read_text(encoding="utf-8")))} == {}


def test_a_dead_private_name_is_seen() -> None:
    assert unread("_a = 1\n_b: int = 2\nc = _b\ndef _f():\n    return _a\n__d__ = 3\n") == ["_f"]
