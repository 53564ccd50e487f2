"""Logs of lm-eval that its own library wrote: scores by metric and filter, tokens by a tokenizer, ends by the cap."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logs import LOGS, imported
from tersely.errors import UserError
from tersely.imported.as_ours import Imported, as_ours
from tersely.imported.formats import read_log
from tersely.records import Finish, LengthSource, Status
from tersely.tasks import load_task

(BASE,) = (LOGS / "lm-eval" / "base").glob("*/samples_*.jsonl")
(REPEATED,) = (LOGS / "lm-eval" / "repeated").glob("*/samples_*.jsonl")
(LIKELIHOODS,) = (LOGS / "lm-eval" / "likelihoods").glob("*/samples_*.jsonl")
REASONER = Path(__file__).parents[2] / "src" / "tersely" / "toy" / "shipped" / "base"


def words(text: str) -> int:
    return len(text.split())


def ours(path: Path, scorer: str | None = "exact_match,boxed") -> Imported:
    return as_ours(read_log(path), scorer, None, words)


def changed(tmp_path: Path, change: Callable[[dict[str, Any], list[dict[str, Any]]], object]) -> Path:
    """The base log after ``change`` of its results and its lines."""
    results = json.loads(next(BASE.parent.glob("results_*.json")).read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in BASE.read_text(encoding="utf-8").splitlines()]
    change(results, lines)
    (tmp_path / "results_1.json").write_text(json.dumps(results), encoding="utf-8")
    path = tmp_path / "samples_sums_1.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_its_problems_are_those_of_our_own_task() -> None:
    own = {problem.id: problem for problem in load_task("arithmetic", "held_out", 5)}
    found = ours(BASE).records
    assert {record.problem_id for record in found} == own.keys()
    assert all(record.answer == own[record.problem_id].answer for record in found)


def test_a_scorer_is_a_metric_with_its_filter_and_its_accuracy_is_reproduced() -> None:
    with pytest.raises(UserError, match="say which count, --scorer exact_match,boxed"):
        ours(BASE, None)
    boxed, last = ours(BASE).as_logged, ours(BASE, "exact_match,last").as_logged
    assert (boxed.accuracy, boxed.of_scores) == (0.6, 0.6)
    assert last.accuracy == last.of_scores
    assert {record.extracted for record in ours(BASE).records if record.correct} == {"3", "8", "7"}


def test_tokens_are_those_of_a_tokenizer_and_none_are_invented() -> None:
    with pytest.raises(UserError, match="they are not invented: give --tokenizer FOLDER"):
        as_ours(read_log(BASE), "exact_match,boxed", None, None)
    for record in ours(BASE).records:
        assert record.length_source is LengthSource.RETOKENISED
        assert record.tokens == words(record.text)
        if "</think>" in record.text:
            assert record.thinking_tokens == words(record.text.split("</think>")[0]) + 1


def test_a_response_as_long_as_the_cap_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = imported(tmp_path, BASE, "--scorer", "exact_match,last", "--tokenizer", REASONER)
    ends = [record.finish for record in found.responses()]
    assert ends == [Finish.EOS] * 3 + [Finish.LENGTH] * 2
    assert [record.status for record in found.responses()][3:] == [Status.NO_ANSWER] * 2
    out = capsys.readouterr().out
    assert "the log does not say which responses ended by themselves: those as long as the cap count as cut off" in out
    assert "tokens are approximate" in out


def test_several_responses_with_one_score_need_our_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="has no score of each response: give --judge"):
        ours(REPEATED, None)
    (found,) = imported(tmp_path, REPEATED, "--judge", "--tokenizer", REASONER)
    assert found.summary.k == 2
    assert found.summary.overall.responses == 10
    assert found.summary.overall.accuracy is not None
    assert found.summary.overall.accuracy.value == 1.0
    assert found.protocol.temperature == 0.6


def test_a_thought_that_the_prompt_opened_and_nothing_closes_has_no_answer(tmp_path: Path) -> None:
    def change(_: Any, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["resps"] = [[f"It is \\boxed{{{line['target']}}}"]]

    (found,) = imported(tmp_path / "ev", changed(tmp_path, change), "--judge", "--tokenizer", REASONER)
    assert {record.status for record in found.responses()} == {Status.NO_ANSWER}

    def closed(_: Any, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["resps"] = [[f"so</think> It is \\boxed{{{line['target']}}}"]]

    (found,) = imported(tmp_path / "closed", changed(tmp_path, closed), "--judge", "--tokenizer", REASONER)
    assert {record.status for record in found.responses()} == {Status.CORRECT}


def test_how_the_model_was_asked_is_the_protocol(tmp_path: Path) -> None:
    rules = ours(BASE).rules
    assert (rules.task, rules.temperature, rules.max_new_tokens) == ("sums", 0.0, 45)
    assert str(rules.template).startswith("0-shot:")
    assert str(rules.template).endswith(", chat")
    assert (rules.verifier, rules.value("task_version")) == ("lm_eval:exact_match,boxed", "1.0")

    def few(results: dict[str, Any], lines: Any) -> None:
        results["n-shot"]["sums"] = 5
        results["versions"]["sums"] = 2.0
        results["system_instruction"] = "Be brief."
        for line in lines:
            line["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] = 99

    other = ours(changed(tmp_path, few)).rules
    assert rules.differing(other) == ["max_new_tokens", "request", "task_version", "template"]


def test_likelihoods_are_no_responses() -> None:
    with pytest.raises(UserError, match="holds likelihoods of given answers and no response"):
        read_log(LIKELIHOODS)


def test_a_log_needs_its_results_beside_it(tmp_path: Path) -> None:
    shutil.copy(BASE, tmp_path)
    with pytest.raises(UserError, match=r"needs the file of its results beside it, results_2026.*json: put it there"):
        read_log(tmp_path / BASE.name)
    shutil.copy(next(BASE.parent.glob("results_*.json")), tmp_path)
    date = BASE.stem.rpartition("_")[2]
    shutil.copy(BASE, tmp_path / f"mine_{date}.jsonl")
    with pytest.raises(UserError, match="is of no task in its results"):
        read_log(tmp_path / f"mine_{date}.jsonl")


def test_a_log_without_its_thinking_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda results, _: results["config"].update(model_args="x,think_end_token=</think>"))
    with pytest.raises(UserError, match="without the thinking, which lm-eval cut off"):
        read_log(path)


def test_a_question_that_stands_with_several_contexts_is_known_by_all_of_it(tmp_path: Path) -> None:
    def change(_: Any, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["doc"] = {"question": "What does it say?", "passage": f"It says {line['doc_id']}."}

    questions = {record.question for record in ours(changed(tmp_path, change)).records}
    assert len(questions) == 5
    assert '{"passage": "It says 0.", "question": "What does it say?"}' in questions


def test_problems_that_the_log_does_not_hold_are_counted(tmp_path: Path) -> None:
    found = ours(changed(tmp_path, lambda _, lines: lines.pop(0) and lines.pop(4)))
    assert found.as_logged.missing == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda results, _: results.pop("configs"),
        lambda results, _: results.update(results=None),
        lambda _, lines: lines.clear(),
        lambda _, lines: lines[0].pop("resps"),
        lambda _, lines: lines[0].update(resps=[]),
        lambda _, lines: lines[0].update(doc=None),
        lambda _, lines: lines[0].update(metrics=7),
        lambda _, lines: lines[0].update(arguments={}),
    ],
)
def test_a_damaged_log_is_one_sentence(tmp_path: Path, change: Any) -> None:
    with pytest.raises(UserError) as error:
        ours(changed(tmp_path, change))
    assert "\n" not in str(error.value)


def test_a_task_whose_name_begins_with_that_of_another_is_itself(tmp_path: Path) -> None:
    def both(results: dict[str, Any], _: Any) -> None:
        for part in ("results", "configs", "versions", "n-shot", "n-samples", "higher_is_better"):
            results[part] = {"sums": results[part]["sums"], "sums_cot": json.loads(json.dumps(results[part]["sums"]))}
        results["results"]["sums"]["exact_match,boxed"] = 0.1

    path = changed(tmp_path, both)
    found = ours(path.rename(path.with_name("samples_sums_cot_1.jsonl")))
    assert found.rules.task == "sums_cot"
    assert found.as_logged.accuracy == 0.6


def test_a_problem_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda _, lines: lines.append({**lines[0], "exact_match": 0.0}))
    with pytest.raises(UserError, match="holds problem 0 under the filter 'boxed' 2 times: import the log as"):
        ours(path)


def test_a_metric_of_which_more_is_worse_is_no_share_of_right(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda results, _: results["higher_is_better"]["sums"].update(exact_match=False))
    with pytest.raises(UserError, match="has no scores of 'exact_match,boxed'"):
        ours(path)


@pytest.mark.parametrize("cap", [None, 0, -1])
def test_without_a_cap_none_counts_as_cut_off_and_that_is_said(tmp_path: Path, cap: int | None) -> None:
    def change(_: Any, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] = cap

    found = ours(changed(tmp_path, change))
    assert found.rules.max_new_tokens is None
    assert {record.finish for record in found.records} == {Finish.EOS}
    told = [*found.as_logged.sentences(5)]
    assert told[-1].endswith("nor how long they could be: none counts as cut off")


def test_a_response_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda _, lines: [line.update(resps=[[None]]) for line in lines])
    with pytest.raises(UserError, match="a response is None, no text"):
        ours(path)


def test_results_under_another_name_are_found_and_two_of_one_date_are_not_guessed_at(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda *_: None)
    results = path.with_name("results_1.json")
    (tmp_path / "mine_1.json").write_text("{}", encoding="utf-8")
    assert len(ours(path).records) == 5
    results.rename(tmp_path / "other_1.json")
    with pytest.raises(UserError, match=r"needs the file of its results beside it, results_1\.json"):
        ours(path)
