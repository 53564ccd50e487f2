"""How the house hangs together: light imports, lower rooms that never import higher ones, nothing that runs text."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from parsing import parse

SRC = Path(__file__).parents[1] / "src"
HEAVY = ("torch", "transformers", "sympy", "matplotlib", "math_verify", "trl", "vllm")
LIGHT_ROOMS = ("", ".objective", ".verify", ".analysis", ".records", ".score")

ROOMS = [
    {"records", "served", "journal", "errors", "frozen", "terminal"},
    {"plugins", "jsonl", "toml_file", "display", "stop", "extras", "text"},
    {"objective"},
    {"setting_names"},
    {"section", "run_sections", "sections", "config", "recipes", "reference"},
    {"runs"},
    {"verify"},
    {"tasks"},
    {"models"},
    {"samplers"},
    {"rollouts", "score", "analysis", "facts", "opened", "trackers"},
    {"table"},
    {"plan"},
    {"learn"},
    {"evaluation", "baselines"},
    {"tune"},
    {"adapters"},
    {"publish", "imported"},
    {"toy"},
    {"page"},
    {"pipelines"},
    {"api"},
    {"commands"},
    {"cli", "__main__"},
]
"""From the ground up: a room may import its own floor and those below. Every file of the package stands in one."""
FLOOR = {room: height for height, rooms in enumerate(ROOMS) for room in rooms}

BANNED_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
BANNED_CALLS = {"eval", "exec", "builtins.eval", "builtins.exec", "torch.load", "yaml.load", "os.system", "os.popen"}


IMPORT_EACH = """
import importlib, json, sys
rooms, heavy = json.loads(sys.argv[1])
for room in rooms:
    importlib.import_module(f"tersely{room}")
    print(json.dumps([room, [name for name in heavy if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Room -> the heavy libraries that are there once it and the light rooms before it are imported."""
    asked = json.dumps([LIGHT_ROOMS, HEAVY])
    done = subprocess.run([sys.executable, "-c", IMPORT_EACH, asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_light_rooms_leave_the_heavy_libraries_out(room: str, loaded: dict[str, list[str]]) -> None:
    assert loaded[room] == []


# --- who imports whom -------------------------------------------------------------------------------------------


@cache
def sources() -> dict[str, str]:
    """Dotted module name -> source, for the whole package."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


@cache
def imported_rooms(module: str, source: str, is_package: bool) -> set[str]:
    """Rooms (first name below tersely) that a module imports anywhere, inside functions too."""
    rooms = set()
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{_absolute(module, node, is_package)}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("tersely.")}
    return rooms


def _absolute(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def room_graph(modules: Mapping[str, str]) -> dict[str, set[str]]:
    """Room -> rooms it imports. Names that are no module of the package (such as __version__) are left out."""
    rooms = {name.split(".")[1] for name in modules if name.count(".")}
    graph: dict[str, set[str]] = {room: set() for room in rooms}
    for name, source in modules.items():
        if name.count("."):
            is_package = any(other.startswith(name + ".") for other in modules)
            graph[name.split(".")[1]] |= imported_rooms(name, source, is_package) & rooms
    return {room: targets - {room} for room, targets in graph.items()}


def climbs(modules: Mapping[str, str]) -> list[str]:
    """Every import that goes up, as "lower -> higher"."""
    graph = room_graph(modules)
    return sorted(
        f"{room} -> {target}" for room, targets in graph.items() for target in targets if FLOOR[target] > FLOOR[room]
    )


SAMPLES_ALONE = {"tersely.rollouts", "tersely.commands.show", "tersely.samplers.engine_check"}
"""Who asks a sampler for responses: the one stage that judges them too, and those that judge none: `tersely show --ask`
and the check of an engine at load."""


def test_nothing_but_rollouts_samples_and_judges() -> None:
    calls = {name for name, source in sources().items() if "sampler.generate(" in source}
    assert calls == SAMPLES_ALONE


def test_every_file_has_a_floor() -> None:
    assert {name for name in sources() if name.count(".") and name.split(".")[1] not in FLOOR} == set()


@pytest.mark.slow
def test_lower_rooms_never_import_higher_ones() -> None:
    assert climbs(sources()) == []


@pytest.mark.slow
def test_the_page_is_imported_by_nobody_but_the_commands() -> None:
    assert {room for room, targets in room_graph(sources()).items() if "page" in targets} == {"commands"}


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ({"tersely.records": "import tersely.learn.losses.ppo_clip"}, ["records -> learn"]),
        ({"tersely.records": "from tersely import learn"}, ["records -> learn"]),
        ({"tersely.records": "from . import learn"}, ["records -> learn"]),
        ({"tersely.verify.workers.pool": "from ...learn import loss"}, ["verify -> learn"]),
        (
            {"tersely.verify.workers.pool": "def f():\n    from tersely.learn.losses.ppo_clip import x"},
            ["verify -> learn"],
        ),
        ({"tersely.cli": "from tersely.learn import loss"}, []),
        ({"tersely.verify.workers.pool": "from . import extract\nfrom tersely import __version__"}, []),
    ],
)
def test_the_floor_check_sees_imports_that_go_up(modules: dict[str, str], expected: list[str]) -> None:
    assert climbs({"tersely": "", "tersely.learn": "", "tersely.learn.losses.ppo_clip": "", **modules}) == expected


# --- what may not be called -------------------------------------------------------------------------------------


def dangers(source: str) -> list[str]:
    """Imports and calls that run or unpickle what they are given, under whatever alias."""
    tree = parse(source)
    aliases: dict[str, str] = {}
    found = []
    for full, bound, meaning in _imports(tree):
        aliases[bound] = meaning
        if full.split(".")[0] in BANNED_MODULES or full in BANNED_CALLS:
            found.append(full)
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        head, _, rest = ast.unparse(call.func).partition(".")
        name = ".".join(filter(None, [aliases.get(head, head), rest]))
        found += [name] if name in BANNED_CALLS else []
        found += ["shell"] if any(k.arg == "shell" and not _is_false(k.value) for k in call.keywords) else []
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """(full dotted name, name it is bound to, what that name means) of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.split(".")[0]
                yield alias.name, alias.asname or head, alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full, alias.asname or alias.name, full


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


@pytest.mark.slow
def test_nothing_in_the_package_runs_or_unpickles_what_it_is_given() -> None:
    assert {name: found for name, source in sources().items() if (found := dangers(source))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import cloudpickle as c", "eval('1')", "exec('1')",
        "import torch\ntorch.load('x')", "import torch as t\nt.load('x')", "from torch import load",
        "import torch.nn\ntorch.load('x')", "def f():\n    import yaml\n    yaml.load('x')",
        "import os\nos.system('ls')",
        "from os import system as s", "run('ls', shell=True)", "run('ls', shell=flag)",
        "import builtins as b\nb.eval('1')",
    ],
)  # fmt: skip
def test_the_lint_sees(source: str) -> None:
    assert dangers(source)


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "cursor.exec('x')",
        "safetensors.load(b'')",
        "import json\njson.load(f)",
        "run(['ls'], shell=False)",
    ],
)
def test_the_lint_lets_pass(source: str) -> None:
    assert dangers(source) == []
