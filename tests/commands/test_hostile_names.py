"""What people's files and folders are called, or say, may be hostile: it shows on the terminal and never acts there."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fake_runs import make_family
from pages import blank_figures
from parsing import parse
from tersely.cli import VERBS, build_parser, main
from tersely.display import RichDisplay
from tersely.evaluation.records import read_responses
from tersely.terminal import make_console, say, say_json, visible
from tiny_models import make_model_folder, make_task

HOSTILE = "m[v] [red]x\x1b]0;title\x07\x1b[2J\u202e\x9b:smile:"
"""A name that clears the screen, turns the text around, and looks like markup of rich twice."""
SHOWN = "m[v] [red]x⟨U+001B⟩]0;title⟨U+0007⟩⟨U+001B⟩[2J⟨U+202E⟩⟨U+009B⟩:smile:"
SRC = Path(__file__).parents[2] / "src/tersely"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Exit code and all that was said; asserts that none of it is a raw control character."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    said = "".join(capsys.readouterr())
    assert not RAW.search(said), repr(RAW.search(said))
    assert "Traceback" not in said
    return code, said


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a task and their names."""
    folder = tmp_path_factory.mktemp("names")
    make_model_folder(folder / HOSTILE)
    make_task(folder / f"{HOSTILE}.jsonl", count=4)
    make_task(folder / "held.jsonl", count=4, start=100)
    rows = [{"problem": HOSTILE, "answer": "1", "response": f"{HOSTILE} 1", "difficulty": HOSTILE} for _ in range(4)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"group": HOSTILE, "correct": True, "length": i, "gold": HOSTILE, "response": HOSTILE} for i in range(1, 4)]
    (folder / "lines.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    _, runs = make_family(folder / "family", alphas=(0.1,), problems=6)
    shutil.copytree(folder / "family/base", folder / "family" / HOSTILE)
    shutil.copytree(runs[0], folder / "family" / f"{HOSTILE}2")
    return folder


NOWHERE = [
    ["quickstart", "--base", HOSTILE, "--out", "out"],
    ["base", HOSTILE],
    ["prepare", HOSTILE, "--out", "out.jsonl"],
    ["plan", "--model", HOSTILE, "--task", "arithmetic"],
    ["profile", HOSTILE, "--out", "out"],
    ["train", HOSTILE],
    ["train", "tiny", "--model", HOSTILE, "--out", "out"],
    ["train", "tiny", "--set", f"{HOSTILE}=1"],
    ["baseline", "samples", "--model", HOSTILE, "--task", "arithmetic", "--out", "out"],
    ["tune", HOSTILE, "--lose-at-most", "2", "--out", "out"],
    ["distill", HOSTILE, "--out", "out"],
    ["sweep", "--model", "m", "--objectives", HOSTILE, "--out", "out"],
    ["ablate", HOSTILE, "--out", "out"],
    ["evaluate", HOSTILE, "--out", "out"],
    ["behaviours", HOSTILE],
    ["faithfulness", HOSTILE, "--out", "out"],
    ["show", HOSTILE],
    ["report", HOSTILE],
    ["compare", HOSTILE],
    ["verify", HOSTILE],
    ["waste", HOSTILE],
    ["score", HOSTILE],
    ["replay", HOSTILE, "--to", "tensorboard"],
    ["publish", HOSTILE],
    ["import", HOSTILE, "--out", "out"],
    ["settings", HOSTILE],
    [HOSTILE],
]


@pytest.mark.parametrize("arguments", NOWHERE, ids=lambda arguments: arguments[0][:12])
def test_a_refusal_of_every_verb_shows_a_hostile_name_and_no_control(
    arguments: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _ = run(capsys, *arguments)
    assert code == 2


def test_every_verb_is_in_the_list() -> None:
    verbs = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    assert len(verbs) == len(VERBS)
    assert set(verbs) == {arguments[0] for arguments in NOWHERE} - {HOSTILE}


DONE = {
    "evaluate": ["evaluate", "MODEL", "--task", "TASK", "--out", "OUT", "--max-new-tokens", "8"],
    "profile": [
        "profile",
        "MODEL",
        "--task",
        "TASK",
        "--out",
        "OUT",
        "--k",
        "2",
        "--size",
        "4",
        "--max-new-tokens",
        "8",
    ],
    "plan": ["plan", "--model", "MODEL", "--task", "TASK", "--set", "sampling.max_new_tokens=8"],
    "train": [
        *("train", "--model", "MODEL", "--task", "TASK", "--out", "OUT", "--steps", "1", "--template", "question"),
        *("--set", "sampling.max_new_tokens=64", "--set", "sampling.prompts=2", "--set", "sampling.n=2"),
    ],
    "samples": [
        *("baseline", "samples", "--model", "MODEL", "--task", "TASK", "--n", "2", "--out", "OUT"),
        *("--set", "sampling.max_new_tokens=8"),
    ],
    "prepare": ["prepare", "TASK", "--out", "OUT.jsonl", "--exclude", "none"],
    "waste": ["waste", "LOG"],
    "verify": ["verify", "LINES"],
    "score": ["score", "LINES", "--alpha", "0.1"],
    "ask": ["show", "MODEL", "--ask", HOSTILE, "--max-new-tokens", "8"],
    "behaviours": ["behaviours", "RUN", "BASE"],
    "show": ["show", "RUN", "--base", "BASE", "--problem", "FIRST"],
    "report": ["report", "RUN", "--base", "BASE", "--out", "OUT"],
    "compare": ["compare", "RUN", "BASE", "--out", "OUT"],
}


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[pytest.mark.slow] if what == "compare" else []) for what in DONE]
)
def test_what_a_verb_has_done_is_told_without_a_raw_control(
    what: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    first = read_responses(root / "family/base/evaluation/arithmetic")[0].problem_id
    places = {"MODEL": root / HOSTILE, "TASK": root / f"{HOSTILE}.jsonl", "LOG": root / "log.jsonl", "FIRST": first}
    places |= {"LINES": root / "lines.jsonl", "RUN": root / "family" / f"{HOSTILE}2", "BASE": root / "family" / HOSTILE}
    places |= {"OUT": tmp_path / HOSTILE, "OUT.jsonl": tmp_path / f"{HOSTILE}.jsonl"}
    code, said = run(capsys, *(str(places.get(word, word)) for word in DONE[what]))
    assert (code, said) == (0 if what != "plan" else code, said)
    if what in ("verify", "score"):
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert {line["group"] for line in lines} == {HOSTILE}
    else:
        assert "[v]" in said or what in ("waste", "plan")


def test_text_shows_in_cells_titles_and_bars_and_never_acts() -> None:
    from rich.table import Table

    for terminal in (False, True):
        out = io.StringIO()
        console = make_console(200)
        console.file, console._force_terminal = out, terminal
        table = Table(title=HOSTILE)
        table.add_column(HOSTILE)
        table.add_row(HOSTILE)
        console.print(table)
        console.print(HOSTILE)
        console.print("a[/b]")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
        assert plain.count(SHOWN) == 4
        assert "a[/b]" in plain
        assert not RAW.search(plain)


def test_a_live_display_shows_any_title() -> None:
    out = io.StringIO()
    display = RichDisplay(HOSTILE)
    display._progress.console.file = out
    with display:
        display.phase("a[/b]", 1, 2)
        display.step(1, 2, {"[x]": "[/y]"})
        display.note(HOSTILE)
    assert "\x07" not in out.getvalue()
    assert SHOWN in out.getvalue()


def test_json_for_programs_keeps_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"text": HOSTILE + "é漢\U000e0001\u2028"}
    say_json(json.dumps(values, ensure_ascii=False))
    said = capsys.readouterr().out
    assert not RAW.search(said)
    assert json.loads(said) == values
    assert "é漢" in said


def test_half_a_character_shows(capsys: pytest.CaptureFixture[str]) -> None:
    say("\ud800")
    assert capsys.readouterr().out == "⟨U+D800⟩\n"
    assert visible("plain\ttext\n") == "plain\ttext\n"


def test_a_terminal_that_lacks_a_character_is_shown_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["verify", "no\x1bé"]) == 2
    stream.flush()
    assert b"no\\u27e8U+001B\\u27e9\\xe9" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_nothing_is_printed_beside_the_one_place() -> None:
    """No bare ``print``, no console of rich's own: ``terminal`` escapes what it is given."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(parse(source)) if re.search(r"print|Console|from_markup", source) else ():
            name = getattr(node.func, "id", None) if isinstance(node, ast.Call) else None
            if name in ("print", "Console") or (isinstance(node, ast.Attribute) and node.attr == "from_markup"):
                found.append(path.relative_to(SRC).as_posix())
    assert set(found) == {"terminal.py"}
