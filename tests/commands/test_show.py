"""`tersely behaviours` and `tersely show`: what kept responses say, and one question answered by several models."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fake_runs import TASK, make_base, make_run
from tersely.cli import main
from tersely.models.trained_for import TrainedFor, write_trained_for
from tiny_models import make_model_folder


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("family")
    base = make_base(root, problems=24)
    return base, make_run(root, base, 0.2, problems=24, steps=3)


def responses(run: Path) -> list[dict]:
    path = run / "evaluation" / TASK / "responses.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_behaviours_are_counted_again_with_anybodys_phrases(
    family: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phrases = tmp_path / "own.toml"
    phrases.write_text('doubt = ["wait, no"]\n')
    arguments = ["behaviours", *map(str, family), "--phrases", str(phrases), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    with (tmp_path / "out" / "behaviours.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 7  # six difficulties and all of them, twice
    texts = [line["text"] for line in responses(family[0])]
    expected = sum(text.count("Wait, no") for text in texts) / len(texts)
    assert float(next(r for r in rows if r["difficulty"] == "all")["doubt"]) == pytest.approx(expected)
    assert rows[-1]["token_saving"] != ""
    assert rows[0]["token_saving"] == ""
    content = json.loads((tmp_path / "out" / "behaviours.json").read_text())
    assert content["phrases"] == {"doubt": ["wait, no"]}
    assert "Doubt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [("doubt = 3", "must be a list"), ("doubt = [", "is not valid TOML"), ("", "no list"), ("d = ['!']", "letter or")],
)
def test_phrases_that_are_none_are_refused(
    family: tuple[Path, Path], tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    assert main(["behaviours", str(family[0]), "--phrases", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_base_stands_beside_the_run_with_tokens_and_verdict(
    family: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, run = family
    line = responses(run)[5]
    assert main(["show", str(run), "--problem", line["problem_id"][:10], "--sample", str(line["sample"])]) == 0
    out = capsys.readouterr().out
    other = next(r for r in responses(base) if (r["problem_id"], r["sample"]) == (line["problem_id"], line["sample"]))
    assert out.index("base") < out.index(run.name)
    for found in (line, other):
        assert f"{found['tokens']} tokens, {found['status']}" in out


def test_control_characters_and_markup_of_a_response_are_shown_and_do_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_base(tmp_path, problems=6)
    path = base / "evaluation" / TASK / "responses.jsonl"
    lines = responses(base)
    lines[0]["text"] = "\x1b[31m[red]x[/red]" + "long " * 1000
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["show", str(base), "--problem", lines[0]["problem_id"]]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "⟨U+001B⟩[31m[red]x[/red]" in out
    assert "characters left out" in out
    assert "--full" in out
    assert main(["show", str(base), "--problem", lines[0]["problem_id"], "--full"]) == 0
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--problem", "zzzz"], "no problem 'zzzz'"),
        (["--problem", ""], "problems begin with"),
        ([], "say what to show"),
        (["--problem", "x", "--ask", "y"], "say what to show"),
        (["--problem", "x", "--task", "arithmetics"], "did you mean 'arithmetic'"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(
    family: tuple[Path, Path], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(family[0]), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_sample_that_is_not_there_is_said(family: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    ident = responses(family[0])[0]["problem_id"]
    assert main(["show", str(family[0]), "--problem", ident, "--sample", "7"]) == 2
    assert "--sample takes 0 to 1" in capsys.readouterr().err


def test_a_free_question_is_answered_by_every_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [make_model_folder(tmp_path / name, seed=i) for i, name in enumerate(("one", "two"))]
    assert main(["show", *map(str, models), "--ask", "What is 1+1?", "--max-new-tokens", "20"]) == 0
    out = capsys.readouterr().out
    assert "What is 1+1?" in out
    assert out.count("tokens,") == 2


@pytest.mark.slow
def test_a_base_is_asked_as_its_runs_are_and_any_model_as_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model without a chat template was refused under the default template, with a cure that no option obeyed."""
    base, run = (make_model_folder(tmp_path / name) for name in ("base", "run"))
    (base / "chat_template.jinja").unlink()
    write_trained_for(run, TrainedFor("paper", "plain", 8, base=str(base)))
    asked = ["--ask", "What is 1+1?", "--max-new-tokens", "8"]
    assert main(["show", str(base), *asked]) == 2
    assert "use --template plain" in capsys.readouterr().err
    assert main(["show", str(base), *asked, "--template", "plain"]) == 0
    assert main(["show", str(base), str(run), *asked]) == 0
