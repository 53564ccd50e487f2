"""A model behind a server, measured: what is kept, what goes on, what several ways of asking show."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import tersely
from stand_in import Manners, serving
from tersely.cli import main
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.runs import read_run
from tersely.records import LengthSource
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TERSELY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    make_task(tmp_path / "task.jsonl", count=8)


def asked(url: str, *more: str, verb: str = "evaluate", out: str | None = "ev") -> list[str]:
    words = [verb, "--endpoint", url, "--model", "stand-in", "--task", "task.jsonl", "--max-new-tokens", "64"]
    return [*words, *(["--out", out] if out else []), *more]


def contents(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def without_times(folder: Path) -> list[Any]:
    lines = [json.loads(line) for line in (folder / "responses.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in line if name not in ("served", "check")} for line in lines]


def test_an_evaluation_of_a_server_is_one_like_any_other() -> None:
    with serving(reasoning="reasoning") as (url, manners):
        assert main(asked(url, "--k", "2")) == 0
    found = read_evaluation(Path("ev/stand-in/task"))
    assert found.summary.overall.accuracy is not None
    assert (found.summary.overall.accuracy.value, found.summary.overall.responses) == (1.0, 16)
    assert (found.protocol.template, found.protocol.model, found.engine) == ("boxed", "stand-in", "endpoint")
    assert found.weights_sha256 is None
    for record in found.responses():
        assert (record.tokens, record.thinking_tokens, record.length_source) == (44, 4, LengthSource.USAGE)
        assert record.served is not None
        assert record.served.seconds >= (record.served.first_token_s or 0.0) > 0
    assert read_run(Path("ev/stand-in")).kind == "model"
    assert Path("ev/stand-in/task/replies.jsonl").read_text() == ""  # all of them are judged
    assert len(manners.bodies) == 17  # with the one of the look


@pytest.mark.slow
def test_the_key_is_written_nowhere(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERSELY_API_KEY", "sk-never-seen")
    with serving(key="sk-never-seen") as (url, _):
        assert main(asked(url, "--request", "reasoning_effort=low")) == 0
        assert main(asked(url, "--k", "4", verb="profile", out="pr")) == 0
    with serving(key="sk-other") as (url, _):
        assert main(asked(url, out="other")) == 2
    said = capfd.readouterr()
    assert "sk-never-seen" not in contents(Path(".")) + said.out + said.err


@pytest.mark.slow
def test_a_server_that_dies_midway_is_gone_on_with_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as (url, _):
        assert main(asked(url, out="whole")) == 0

    def dies(number: int) -> str | None:
        return "500" if number > 4 else None  # the look, and four replies

    with serving(fail=dies) as (url, _):
        assert main(asked(url, "--concurrency", "1", "--retries", "0")) == 3
    assert "no longer serves at the first try: it answers 500" in capfd.readouterr().err
    assert len(read_log(Path("ev/stand-in/task/replies.jsonl"))) == 4
    with serving() as (url, manners):  # another port
        assert main(asked(url)) == 0
        assert len(manners.bodies) == 1 + 4
    assert without_times(Path("ev/stand-in/task")) == without_times(Path("whole/stand-in/task"))


def test_ctrl_c_waits_for_no_response_and_loses_none(capfd: pytest.CaptureFixture[str]) -> None:
    def interrupts(number: int) -> str | None:
        if number == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return "hang" if number >= 4 else None

    with serving(fail=interrupts) as (url, _):
        assert main(asked(url, "--concurrency", "1")) == 130
    assert "responses are kept in ev/stand-in/task; the same command goes on from here" in capfd.readouterr().err
    assert len(read_log(Path("ev/stand-in/task/replies.jsonl"))) == 3
    with serving() as (url, manners):
        assert main(asked(url)) == 0
        assert len(manners.bodies) == 1 + 5


def test_a_crash_between_replies_and_responses_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from tersely.evaluation import run

    with monkeypatch.context() as patch, serving() as (url, _):
        patch.setattr(run, "eval_records", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(asked(url))
    with serving() as (url, manners):
        assert main(asked(url)) == 0
        assert len(manners.bodies) == 1


@pytest.mark.slow
def test_more_responses_are_added_and_finished_ones_are_not_asked_for() -> None:
    with serving() as (url, manners):
        assert main(asked(url, "--size", "4")) == 0
        assert main(asked(url, "--size", "4")) == 0
        assert main(asked(url, "--k", "2")) == 0
        assert len(manners.bodies) == (1 + 4) + 1 + (1 + 12)
    found = read_evaluation(Path("ev/stand-in/task")).responses()
    assert len({(r.problem_id, r.sample) for r in found}) == 16


@pytest.mark.parametrize(
    ("how", "more"),
    [({"reported": "stand-in-0902"}, []), ({}, ["--with", "top_k=5"]), ({}, ["--template", "question"])],
)
def test_another_model_or_request_is_no_going_on(
    how: dict[str, Any], more: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with serving() as (url, _):
        assert main(asked(url)) == 0
    with serving(**how) as (url, _):
        assert main(asked(url, *more)) == 2
    assert "ev/stand-in/task" in capfd.readouterr().err


def short(body: dict[str, Any]) -> str:
    """Longer with more effort, and right only then."""
    numbers = [int(word.strip("?")) for word in body["messages"][-1]["content"].split() if word.strip("?").isdigit()]
    effort = body.get("reasoning_effort", "medium")
    padding = {"low": 1, "medium": 6, "high": 12}[effort] if len(body["messages"]) == 1 else 20
    return " ".join(["so"] * padding) + f" \\boxed{{{sum(numbers) if effort != 'low' else 0}}}"


@pytest.mark.slow
def test_every_value_is_a_point_and_the_dominated_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    Path("brief.txt").write_text("Be brief.\n")
    more = ["--request", "reasoning_effort=low,high", "--system", "brief.txt", "--price", "1,10"]
    with serving(answer=short) as (url, manners):
        assert main(asked(url, *more)) == 0
        sent = [body.get("reasoning_effort") for body in manners.bodies]
        assert [sent.count(effort) for effort in (None, "low", "high")] == [18, 9, 9]
        assert {body["messages"][0]["content"] for body in manners.bodies} >= {"Be brief."}
    folders = sorted(folder.name for folder in Path("ev/stand-in").iterdir())
    assert folders == ["task", "task@reasoning_effort-high", "task@reasoning_effort-low", "task@system-brief"]
    said = " ".join(capfd.readouterr().out.split())
    assert "dominated in tokens, beyond the intervals: none; by value alone:" in said
    assert "reasoning_effort=high (by as served)" in said
    assert "system=brief (by as served, reasoning_effort=high)" in said
    assert "dominated in seconds" in said
    assert "dominated in price of 1000" in said
    # (7 tokens in at 1 + 70 out at 10) / a million, for a thousand responses
    assert "0.707" in said


@pytest.mark.slow
def test_the_page_shows_the_points_beside_the_model_as_served(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(answer=short) as (url, _):
        assert main(asked(url, "--request", "reasoning_effort=low,high")) == 0
    assert main(["compare", "ev/stand-in", "--out", "page"]) == 0
    page = next(Path("page").glob("*.md")).read_text().replace("\\", "")
    row = next(line for line in page.splitlines() if line.startswith("| reasoning_effort-high | prompted"))
    assert "| base |" in row  # worse on both axes than the model as served
    assert "reasoning_effort-low" in page


@pytest.mark.slow
def test_the_page_shows_seconds_and_money_and_names_the_dominated_in_each(capfd: pytest.CaptureFixture[str]) -> None:
    make_task(Path("task.jsonl"), count=24)

    def wasteful(body: dict[str, Any]) -> str:
        much = 40 if "effort" in body else len(body["messages"][-1]["content"]) % 7
        return f"{'so ' * much}{short(body) if much < 40 else chr(92) + 'boxed{0}'}"

    with serving(answer=wasteful) as (url, _):
        assert main(asked(url, "--request", "effort=high")) == 0
    assert main(["compare", "ev/stand-in", "--out", "page", "--price", "1,10", "--currency", "EUR"]) == 0
    page = Path("page/compare.md").read_text().replace("\\", "")
    for axis in ("tokens", "money"):
        assert f"Dominated in {axis}, beyond the intervals: none; by value alone: effort-high (by base)" in page
    assert "Dominated in seconds, " in page
    (table,) = Path("page/tables").glob("served_*.csv")
    base, high = csv.DictReader(table.open())
    assert (base["model"], high["model"]) == ("base", "effort-high")
    assert all(float(base[name]) > 0 for name in ("tokens", "seconds", "first_token_s", "money"))
    assert float(base["money_low"]) < float(base["money"]) < float(base["money_high"])
    # 1000 x (7 x 1 + 410 x 10) / a million
    assert float(high["money"]) == pytest.approx(4.107)
    assert main(["compare", "ev/stand-in", "--out", "page", "--price", "10"]) == 0
    assert "Dominated in money" not in Path("page/compare.md").read_text()
    for price in ("cheap", "-1", "1,0", "1,2,3", "0"):
        assert main(["compare", "ev/stand-in", "--out", "page", "--price", price]) == 2
    assert capfd.readouterr().err.count("is no price") == 5


@pytest.mark.slow
def test_python_measures_a_server_as_the_command_does(tmp_path: Path) -> None:
    Path("brief.txt").write_text("Be brief.\n")
    with serving(answer=short) as (url, manners):
        assert main(asked(url, "--request", "reasoning_effort=low", "--system", "brief.txt", out="command")) == 0
        served = tersely.endpoint_at(url, "stand-in", concurrency=8)
        how: dict[str, Any] = {"task": "task.jsonl", "max_new_tokens": 64, "out": "python"}
        plain = tersely.evaluate(served, **how)
        low = tersely.evaluate(served, **how, request="reasoning_effort=low")
        tersely.evaluate(served, **how, system=Path("brief.txt"))
        asked_for = len(manners.bodies)
        assert tersely.evaluate(served, **how).summary == plain.summary  # gone on with: nothing is lacking
        assert len(manners.bodies) == asked_for + 1
    assert plain.summary.overall.tokens.value > low.summary.overall.tokens.value
    for name in ("task", "task@reasoning_effort-low", "task@system-brief"):
        mine, theirs = (without_times(out / name) for out in (Path("python"), Path("command/stand-in")))
        assert mine == theirs


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"request": "effort=low,high"}, "give one request, or one system prompt, in a call"),
        ({"request": "effort=low", "system": "Be brief."}, "give one request, or one system prompt, in a call"),
        ({"request": "effort"}, "write NAME=VALUE"),
        ({"effort": "low"}, "effort goes with a model's folder"),
        ({"sampler": object()}, "sampler goes with a model's folder"),
    ],
)
def test_in_python_what_does_not_go_with_a_server_is_refused(how: dict[str, Any], words: str) -> None:
    with serving() as (url, manners), pytest.raises(tersely.UserError, match=words):
        tersely.evaluate(tersely.endpoint_at(url, "stand-in"), task="task.jsonl", out="ev", **how)
    assert not manners.bodies
    with pytest.raises(tersely.UserError, match="request and system speak of a server"):
        tersely.evaluate("model", task="task.jsonl", out="ev", request="effort=low")


def test_without_usage_a_tokenizer_counts_and_the_numbers_say_so(capfd: pytest.CaptureFixture[str]) -> None:
    make_model_folder(Path("model"))
    with serving(usage=False, answer=lambda body: "<think>hm</think> \\boxed{2}") as (url, _):
        assert main(asked(url)) == 2
        assert "no usage" in capfd.readouterr().err
        assert not Path("ev").exists()
        assert main(asked(url, "--tokenizer", "model")) == 0
    found = read_evaluation(Path("ev/stand-in/task"))
    assert found.length_source == "retokenised"
    assert "tokens are approximate" in capfd.readouterr().out
    for record in found.responses():
        assert record.length_source is LengthSource.RETOKENISED
        assert record.thinking_tokens is not None
        assert 0 < record.thinking_tokens < record.tokens


@pytest.mark.slow
def test_a_base_model_is_sent_our_own_prompt(capfd: pytest.CaptureFixture[str]) -> None:
    make_model_folder(Path("model"))
    with serving() as (url, manners):
        assert main(asked(url, "--completions")) == 2
        assert "give --tokenizer FOLDER, or --template plain" in capfd.readouterr().err
        assert main(asked(url, "--completions", "--template", "plain", out="plain")) == 0
        assert manners.bodies[-1]["prompt"].endswith("?\nAnswer:")
        assert main(asked(url, "--completions", "--tokenizer", "model", out="ids")) == 0
        assert all(type(token) is int for token in manners.bodies[-1]["prompt"])


def test_a_thought_that_the_prompt_opens_must_end(capfd: pytest.CaptureFixture[str]) -> None:
    """The tokenizer tells that the chat template writes ``<think>``, which no server says."""
    make_model_folder(Path("model"))
    template = Path("model/chat_template.jinja")
    template.write_text(template.read_text() + "{% if add_generation_prompt %}<think>{% endif %}")
    with serving(answer=lambda body: "\\boxed{2}") as (url, _):
        assert main(asked(url, "--tokenizer", "model")) == 0
    found = read_evaluation(Path("ev/stand-in/task"))
    assert found.summary.overall.no_answer.value == 1.0


@pytest.mark.slow
def test_profile_faithfulness_and_show_ask_it_too(capfd: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"Which is {i}?", "choices": {"A": str(i), "B": "x", "C": "y"}, "answer": "A"} for i in range(6)
    ]
    Path("choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serving() as (url, _):
        assert main(asked(url, "--k", "4", verb="profile", out="pr")) == 0
        words = ["show", "--endpoint", url, "--model", "stand-in", "--ask", "What is 20 + 3?"]
        assert main(words) == 0
    assert "23" in capfd.readouterr().out
    assert json.loads(Path("pr/stand-in/task/profile.json").read_text())["k"] == 4

    def moved(body: dict[str, Any]) -> str:
        return "\\boxed{B}" if "Stanford" in body["messages"][-1]["content"] else "\\boxed{A}"

    with serving(answer=moved) as (url, manners):
        words = ["faithfulness", "--endpoint", url, "--model", "stand-in", "--task", "choices.jsonl", "--out", "hints"]
        assert main([*words, "--max-new-tokens", "32"]) == 0
        asked_for = len(manners.bodies)
        assert main([*words, "--max-new-tokens", "32"]) == 0
        assert len(manners.bodies) == asked_for + 1
    assert asked_for == 1 + 12


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["model"], "model is a folder: measure them in commands of their own"),
        (["--all-checkpoints"], "--all-checkpoints belongs to a run folder"),
        (["--template", "plain"], "a chat server puts its own around what it is sent"),
        (["--request", "reasoning_effort"], "write NAME=VALUE, such as reasoning_effort=low"),
        (["--request", "effort=low,low"], "'effort=low' is asked for twice"),
        (["--with", "api_key=sk-1"], "looks like a key"),
        (["--system", " "], "is empty"),
        (["--system", "Be brief.", "--completions"], "--completions sends none"),
        (["--price", "cheap"], "is no price"),
        (["--concurrency", "0"], "it must be at least 1"),
    ],
)
def test_what_does_not_go_with_a_server_is_one_sentence(
    more: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving() as (url, manners):
        assert main(asked(url, *more)) == 2
        assert not manners.bodies
    said = capfd.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not Path("ev").exists()


def test_a_cap_beyond_the_servers_room_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(room=70) as (url, _):
        assert main(asked(url)) == 2
    assert "has room for 70 tokens of prompt and response together" in capfd.readouterr().err


def test_somebody_elses_place_must_be_named(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as (url, _):
        assert main(asked(url, out=None)) == 2
        assert main(asked(url, verb="profile", out=None)) == 2
    assert capfd.readouterr().err.count("say where with --out DIR") == 2


def test_the_stand_in_is_polite_unless_told_otherwise() -> None:
    assert Manners().fail(0) is None
