"""What adapters share: the golden groups natively, what engines are handed, and refusals by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tersely.adapters.rows
from golden_credit import credit_of
from golden_groups import ALPHA, PADDING, GoldenRow, golden, interleaved
from golden_sentences import golden_sentence
from tersely.adapters.grading import described, problem_of, scores
from tersely.adapters.rows import UNJUDGED, Library, credit_rows, objective_of
from tersely.errors import UserError
from tersely.objective import FlatCredit, Need, Objective
from tersely.objective.flat import places_of
from tersely.objective.handed import Baseline, handed
from tersely.records import Problem, Status, Verdict, content_id
from tersely.verify import Judge


@pytest.mark.parametrize("rows", [golden(), interleaved()], ids=["in order", "apart"])
def test_the_golden_groups_natively(rows: list[GoldenRow]) -> None:
    credit = credit_of(rows)
    np.testing.assert_allclose(credit.rewards_N, [row.reward for row in rows], atol=1e-12)
    np.testing.assert_allclose(credit.advantages_N, [row.advantage for row in rows], atol=1e-12)


def baseline_of(rewards_N: np.ndarray, credit: FlatCredit, places: dict, baseline: Baseline) -> np.ndarray:
    """What the engine does with what it is handed: TRL's nanmean of a group, OpenRLHF's mean of the others."""
    advantages = np.zeros_like(rewards_N)
    for rows in places.values():
        r, counted = rewards_N[rows], credit.counted_N[rows]
        if baseline is Baseline.MEAN:
            advantages[rows] = np.where(counted, r - (r[counted].mean() if counted.any() else 0.0), 0.0)
        elif len(rows) > 1:
            advantages[rows] = r - (r.sum() - r) / (len(rows) - 1)
    return advantages


OBJECTIVES = {
    "paper": Objective(ALPHA), "mean": Objective(ALPHA, advantage="mean"),
    "group": Objective(ALPHA, normalize="group"), "kimi": Objective(method="kimi"),
    "truncation": Objective(method="truncation", settings={"limit": 300}), "filter": Objective(ALPHA, filter="equal"),
}  # fmt: skip


@pytest.mark.parametrize("baseline", list(Baseline))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_engine_with_a_baseline_of_its_own_ends_at_our_advantages(name: str, baseline: Baseline) -> None:
    rows = interleaved()
    credit, places = credit_of(rows, OBJECTIVES[name]), places_of([row.group for row in rows])
    given = handed(credit, places, baseline)
    np.testing.assert_allclose(baseline_of(given, credit, places, baseline), credit.advantages_N, atol=1e-12)


def test_of_whole_judged_groups_openrlhf_is_handed_the_reward_itself() -> None:
    rows = [row for row in golden() if row.group in ("mixed", "all right", "one right", "truncated", "two")]
    credit = credit_of(rows)
    given = handed(credit, places_of([row.group for row in rows]), Baseline.RLOO)
    np.testing.assert_allclose(given, credit.rewards_N, atol=1e-12)


def test_advantages_that_do_not_sum_to_0_cannot_be_handed_over() -> None:
    rows = golden()
    credit = credit_of(rows, Objective(ALPHA, normalize="batch"))
    with pytest.raises(UserError, match=r"advantages of group 'mixed' sum to .* use normalize = none or group"):
        handed(credit, places_of([row.group for row in rows]), Baseline.MEAN)


def test_a_score_that_nobody_could_give_is_below_0_or_no_number() -> None:
    for score in (UNJUDGED, float("nan")):
        credit = credit_rows(Objective(ALPHA), [1.0, score, 0.0], [5, 6, 7], ["p"] * 3, truncated=[False] * 3)
        assert credit.counted_N.tolist() == [True, False, True]


def test_padding_takes_no_part_in_a_group_of_its_own_or_another() -> None:
    rows = [*golden(["two"]), GoldenRow("two", PADDING, 0, 0.0, 0.0)]
    assert credit_of(rows).advantages_N.tolist() == pytest.approx([row.advantage for row in rows])


# --- our judge as a number


class Sayer:
    """Says what the response says."""

    def begin_grading(self, problem: Problem, text: str) -> None:
        raise AssertionError

    def grade(self, pairs: list[tuple[Problem, str]]) -> list[Verdict]:
        scores = {"graded": 0.25}
        return [Verdict(Status(text.upper()) if text not in scores else Status.WRONG, None, "test",
                        score=scores.get(text)) for _, text in pairs]  # fmt: skip


def test_a_verdict_is_one_number() -> None:
    problem = problem_of("4")
    texts = ["correct", "wrong", "no_answer", "unjudged", "graded"]
    assert scores([problem] * 5, texts, Sayer(), [False] * 5) == [1.0, 0.0, 0.0, UNJUDGED, 0.25]


def test_a_thought_that_the_prompt_opened_must_end() -> None:
    texts = [r"so \boxed{4}", r"so 4</think>\boxed{4}"]
    with Judge(workers=1) as judge:
        assert scores([problem_of("4")] * 2, texts, judge, [True, True]) == [0.0, 1.0]
        assert scores([problem_of("4")] * 2, texts, judge, [False, False]) == [1.0, 1.0]


def test_a_problem_travels_whole_as_text() -> None:
    problem = Problem(content_id("q", "4"), "q", "4", "exact", "s", "3", payload={"tests": ["a", {"b": 1}]})
    assert problem_of(None, described(problem)) == problem
    assert problem_of("4", kind="exact").kind == "exact"
    with pytest.raises(UserError, match="give the data set a column 'answer'"):
        problem_of(None)


# --- refusals

VERL = Library("verl", "0.9.1", "0.10", frozenset({Need.CAP}))
TRL = Library("trl", "1.16", "1.17", frozenset({Need.CAP}), takes_mean=True, has_steps=True)

REFUSED = {
    "hapo": (VERL, Objective(method="hapo")),
    "arlcp": (VERL, Objective(method="arlcp")),
    "l1": (VERL, Objective(method="l1-exact")),
    "ramp": (VERL, Objective(0.2, schedule="linear", schedule_settings={"steps": 5})),
    "batch": (TRL, Objective(0.2, normalize="batch")),
    "lead": (TRL, Objective(method="grpo-lead")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_engine_cannot_carry_is_refused_by_name(name: str) -> None:
    library, objective = REFUSED[name]
    with pytest.raises(UserError) as refused:
        library.require_carried(objective)
    assert str(refused.value) == golden_sentence(f"carry {name}")


def test_an_absent_library_is_one_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tersely.adapters.rows, "install_command", lambda extra: f"pip install 'tersely[{extra}]'")
    with pytest.raises(UserError) as refused:
        Library("no-such-engine", "1", "2", frozenset()).require()
    assert str(refused.value) == "no-such-engine is not installed: pip install 'tersely[no-such-engine]'"


@pytest.mark.parametrize(("found", "warned"), [("0.9.1", 0), ("0.9.3+cpu", 0), ("0.9.0", 1), ("0.10.0rc1", 1)])
def test_a_release_outside_the_tested_ones_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, found: str, warned: int
) -> None:
    monkeypatch.setattr(tersely.adapters.rows, "version", lambda name: found)
    VERL.require()
    said = [str(warning.message) for warning in recwarn]
    assert said == warned * [
        f"verl {found} is installed and tersely was tested with 0.9.1: look at the first steps, or install "
        "verl>=0.9.1,<0.10"
    ]


def test_an_objective_by_its_settings() -> None:
    assert objective_of({"alpha": 0.3}) == Objective(0.3)
    assert objective_of({}) == Objective(0.1)
    assert objective_of({"method": "kimi"}) == Objective(method="kimi")
    with pytest.raises(UserError, match="unknown setting 'alfa'"):
        objective_of({"alfa": 0.3})


# --- the house

ADAPTERS = Path(tersely.adapters.rows.__file__).parent
ENGINES = ("trl", "verl", "skyrl", "openrlhf", "ray", "vllm", "omegaconf", "pyarrow")
IMPORT_ALL = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(f"tersely.adapters.{name}")
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


@pytest.mark.slow
def test_no_adapter_loads_an_engine_before_it_is_used() -> None:
    names = [path.stem for path in ADAPTERS.glob("*.py") if path.stem not in ("__init__", "verl_plugin")]
    assert len(names) > 10
    words = [sys.executable, "-c", IMPORT_ALL, json.dumps(names), json.dumps(ENGINES)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_adapters_stay_small() -> None:
    sizes = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in ADAPTERS.glob("*.py")}
    assert {name: size for name, size in sizes.items() if size >= 200} == {}
