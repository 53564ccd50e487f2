"""``tersely score``: every line comes back in its place, with what its group gave it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tersely import cli
from tersely.errors import UserError
from tersely.objective import Need, Objective
from tersely.objective.methods import METHODS
from tersely.score import score_file, score_lines

SIGMA_1 = 0.7310585786300049  # 1 / (1 + e^-1), 50-digit decimal arithmetic


def lines(*rows: dict[str, Any]) -> list[str]:
    return [json.dumps(row) for row in rows]


def row(group: Any, correct: Any, length: Any, **more: Any) -> dict[str, Any]:
    return {"group": group, "correct": correct, "length": length} | more


def test_interleaved_groups_are_scored_apart_and_keep_their_order() -> None:
    # Group a: two correct, z = -1 and +1. Group 7: one correct (1 - alpha/2 = 0.95) and one wrong.
    given = lines(row("a", True, 30), row(7, False, 5), row("a", True, 90), row(7, True, 50))
    got = [json.loads(line) for line in score_lines(given, Objective(0.1))]
    short, long = 1 - 0.1 * (1 - SIGMA_1), 1 - 0.1 * SIGMA_1
    assert [g["group"] for g in got] == ["a", 7, "a", 7]
    assert [g["reward"] for g in got] == pytest.approx([short, 0, long, 0.95], abs=1e-15)
    assert [g["advantage"] for g in got] == pytest.approx([short - long, -0.95, long - short, 0.95], abs=1e-15)


def test_own_fields_come_back_unchanged_in_front_of_the_scores() -> None:
    mine = row("a", 1, 30.5, text="ünïcode \u2028 <b>", nested={"x": [1, None, 1e-7]}, big=2**70)
    (first, _) = score_lines(lines(mine, row("a", 0, 3)), Objective(0.1))
    got = json.loads(first)
    assert list(got) == [*mine, "reward", "advantage"]
    assert {key: got[key] for key in mine} == mine
    assert "ünïcode" in first


def test_half_a_surrogate_pair_is_written_as_an_escape() -> None:
    (first, _) = score_lines(
        ['{"group": 1, "correct": true, "length": 3, "t": "\\ud800"}', *lines(row(1, 0, 3))], Objective(0)
    )
    first.encode("utf-8")
    assert "\\ud800" in first


def test_scoring_again_replaces_the_older_scores() -> None:
    given = lines(row(1, True, 10), row(1, True, 20), row(1, False, 5))
    once = score_lines(given, Objective(0.4))
    assert score_lines(score_lines(given, Objective(0.1)), Objective(0.4)) == once
    assert once != score_lines(given, Objective(0.1))


def test_unjudged_lines_take_no_part_and_a_group_without_two_judged_says_so() -> None:
    given = lines(
        row("a", True, 10), row("a", True, 20), row("a", False, 99, judged=False),
        row("b", True, 10), row("b", False, 20, judged=False),
    )  # fmt: skip
    got = [json.loads(line) for line in score_lines(given, Objective(0.1))]
    assert (got[2]["reward"], got[2]["advantage"]) == (0.0, 0.0)
    assert got[0]["advantage"] == pytest.approx(0.1 * (2 * SIGMA_1 - 1), abs=1e-15)
    assert [g.get("dropped") for g in got] == [None] * 3 + ["fewer than two judged responses"] * 2
    assert [g["advantage"] for g in got[3:]] == [0.0, 0.0]


def test_blank_lines_are_skipped_and_still_counted() -> None:
    given = ["", *lines(row(1, True, 10)), "  \n", *lines(row(1, True, 20))]
    assert len(score_lines(given, Objective(0.1))) == 2
    with pytest.raises(UserError, match=r"input:5: no 'length'"):
        score_lines([*given, '{"group": 1, "correct": true}'], Objective(0.1))


def test_file_and_lines_agree(tmp_path: Path) -> None:
    given = lines(row(1, True, 10), row(1, True, 20))
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(given), encoding="utf-8")
    assert score_file(path, Objective(0.1)) == score_lines(given, Objective(0.1))
    path.write_text("\n".join(given[:1]) + "\n{", encoding="utf-8")
    with pytest.raises(UserError, match=r"scores\.jsonl:2: not valid JSON"):
        score_file(path, Objective(0.1))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"group": 1, "length": 3}, r"input:3: no 'correct' field"),
        ({"grup": 1, "length": 3}, r"input:3: no 'group' and no 'correct' field \(did you mean 'grup'\?\)"),
        (row(None, True, 3), r"input:3: 'group' must be a string or an integer, not None"),
        (row(True, True, 3), r"'group' must be a string or an integer, not True"),
        (row([1], True, 3), r"'group' must be a string or an integer, not \[1\]"),
        (row(1, "true", 3), r"input:3: 'correct' must be true or false, not 'true'"),
        (row(1, 2, 3), r"'correct' must be true or false, not 2"),
        (row(1, None, 3), r"'correct' must be true or false, not None"),
        (row(1, True, "3"), r"input:3: 'length' must be a number of tokens >= 0, not '3'"),
        (row(1, True, True), r"'length' must be a number"),
        (row(1, True, None), r"'length' must be a number"),
        (row(1, True, -1), r"'length' must be a number of tokens >= 0, not '-1'"),
        (row(1, True, 10**400), r"'length' must be a number of tokens"),
        (row(1, True, 3, judged="no"), r"input:3: 'judged' must be true or false, not 'no'"),
    ],
)
def test_bad_line_is_refused_with_its_number(bad: dict[str, Any], message: str) -> None:
    good = lines(row(1, True, 10), row(1, True, 20))
    with pytest.raises(UserError, match=message):
        score_lines([*good, json.dumps(bad)], Objective(0.1))


def test_group_of_one_is_refused_by_name_with_the_reason() -> None:
    given = lines(row("p1", True, 10), row("p1", True, 20), row("p2", True, 20), row(1, True, 1), row("1", True, 1))
    with pytest.raises(UserError, match=r"group 'p2' has a single response \(line 3\) \(3 groups.*sample at least two"):
        score_lines(given, Objective(0.1))


def test_older_reason_for_dropping_does_not_outlive_its_group() -> None:
    given = lines(row(1, True, 10, dropped="fewer than two judged responses"), row(1, False, 20))
    assert "dropped" not in json.loads(score_lines(given, Objective(0.1))[0])


@pytest.mark.parametrize("given", [[], ["", "  "]])
def test_nothing_to_score_is_said(given: list[str]) -> None:
    with pytest.raises(UserError, match="input is empty; a line needs"):
        score_lines(given, Objective(0.1))


def test_a_graded_line_earns_its_score() -> None:
    got = [json.loads(g) for g in score_lines(lines(row(1, 0.5, 10), row(1, 0, 20)), Objective(0.1))]
    assert [g["reward"] for g in got] == [0.5 * 0.95, 0.0]


def test_what_a_method_needs_is_read_from_the_line() -> None:
    asked = [
        row(1, True, 40, truncated=False, text="so 2", budget=50),
        row(1, False, 80, truncated=True, text="Wait", budget=60),
    ]
    objective = Objective(method="toy_methods:Asks")
    got = [json.loads(g)["reward"] for g in score_lines(lines(*asked), objective, cap=100)]
    assert got == pytest.approx([0.9, -0.2 - 1 - 10])
    with pytest.raises(UserError, match=r"needs the cap on tokens \(cap\)"):
        score_lines(lines(*asked), objective)
    with pytest.raises(UserError, match=r"input:2: no 'text' field, which method 'toy_methods:Asks' needs"):
        score_lines(lines(asked[0], {k: v for k, v in asked[1].items() if k != "text"}), objective, cap=100)
    with pytest.raises(UserError, match=r"input:1: 'text' must be a string, not 3"):
        score_lines(lines(asked[0] | {"text": 3}, asked[1]), objective, cap=100)


def test_fields_that_the_method_does_not_need_are_the_users_own() -> None:
    given = lines(row(1, True, 10, text=3, truncated="?"), row(1, False, 20, budget=None))
    assert len(score_lines(given, Objective(0.1))) == 2


def test_a_file_is_one_step_for_a_method_that_remembers() -> None:
    given = lines(row(1, True, 10, problem="p"), row(1, True, 20, problem="p"))
    assert [json.loads(g)["reward"] for g in score_lines(given, Objective(method="toy_methods:Shortest"))] == [1.0, 1.0]


@pytest.mark.parametrize("name", METHODS)
def test_every_objective_scores_a_file_that_has_what_it_needs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"problem": "p", "text": "Wait, 7.", "budget": 900}
    rows = [row(1, i % 2 == 0, 100 * i + 100, **more) for i in range(16)]
    (tmp_path / "responses.jsonl").write_text("\n".join(lines(*rows)))
    words = ["score", str(tmp_path / "responses.jsonl"), "--objective", name, "--cap", "20000"]
    words += ["--alpha", "0.1"] if name in ("paper", "linear") else []
    assert cli.main(words) == 0
    said = capsys.readouterr()
    scored = [json.loads(line) for line in said.out.splitlines()]
    assert len({one["reward"] for one in scored}) > 1
    assert ("remembers earlier steps" in said.err) == (Need.STATE in METHODS[name].needs)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["l1-max"], "no 'budget' field, which method 'l1-max' needs"),
        (["arlcp"], "no 'text' field, which method 'arlcp' needs"),
        (["hapo"], "no 'problem' field, which method 'hapo' needs"),
        (["cosine"], "method 'cosine' needs the cap on tokens .cap. that the responses were drawn under: --cap N"),
        (["dot"], "dot's cut at 3 deviations cannot fire with 2 siblings"),
        (["laser", "--cap", "500"], "target = 8192 is not below the cap"),
        (["laser", "--alpha", "0.1"], "method 'laser' has no alpha: leave alpha out"),
        (["laser", "--set", "goal=3"], "unknown setting 'goal' of method 'laser'; it has target, bonus"),
        (["kimmi"], "unknown method 'kimmi' .did you mean 'kimi'"),
    ],
)
def test_what_a_file_lacks_for_an_objective_is_one_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "responses.jsonl").write_text("\n".join(lines(row(1, True, 100), row(1, False, 90))))
    assert cli.main(["score", str(tmp_path / "responses.jsonl"), "--objective", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(message, said.err.replace("\n", " "))


def test_a_setting_given_for_an_objective_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "responses.jsonl").write_text("\n".join(lines(row(1, True, 100), row(1, True, 200))))
    words = [
        "score",
        str(tmp_path / "responses.jsonl"),
        "--objective",
        "laser",
        "--set",
        "target=100",
        "--set",
        "bonus=2",
    ]
    assert cli.main(words) == 0
    assert [json.loads(line)["reward"] for line in capsys.readouterr().out.splitlines()] == [3.0, 1.0]
