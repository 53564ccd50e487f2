"""Logs of inspect-ai that its own library wrote: scores, epochs, tokens and what did not end, as ours."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from logs import INSPECT, changed, imported, ours
from tersely.errors import UserError
from tersely.imported.as_ours import as_ours
from tersely.imported.formats import read_log
from tersely.imported.inspect_log import read
from tersely.records import Finish, LengthSource, Status, content_id
from tersely.verify import Judge


def test_epochs_become_samples_of_problems_known_by_their_content() -> None:
    records = ours(INSPECT / "base.eval").records
    first = content_id("What is 12 + 30?", "42")
    assert {r.problem_id for r in records} >= {first}
    assert sorted((r.sample, r.answer) for r in records if r.problem_id == first) == [(0, "42"), (1, "42")]
    assert len(records) == 8
    assert {r.difficulty for r in records} == {"1", "2"}


def test_tokens_are_those_of_usage_with_the_thinking_apart() -> None:
    for record in ours(INSPECT / "base.eval").records:
        thought, said = record.text.removeprefix("<think>").split("</think>\n")
        assert record.length_source is LengthSource.USAGE
        assert record.thinking_tokens == len(thought.split())
        assert record.tokens == len(thought.split()) + len(said.split())


@pytest.mark.parametrize("name", ["base.eval", "short.eval", "low.eval", "other_problems.eval", "twice.eval"])
def test_the_log_s_own_accuracy_is_that_of_the_scores_we_keep(name: str) -> None:
    found = ours(INSPECT / name)
    own = read_log(INSPECT / name).accuracies["includes"]
    assert found.as_logged.accuracy == found.as_logged.of_scores == own
    scores = [record.score for record in found.records]
    assert sum(score for score in scores if score is not None) / len(scores) == own


def test_a_right_answer_that_was_cut_off_keeps_its_score_and_is_not_correct() -> None:
    found = ours(INSPECT / "base.eval")
    (cut,) = (record for record in found.records if record.finish is Finish.LENGTH)
    assert (cut.score, cut.correct, cut.status) == (1.0, False, Status.NO_ANSWER)
    assert sum(record.correct for record in found.records) == 6
    assert (found.as_logged.of_scores, found.as_logged.unfinished) == (7 / 8, 1)
    assert "1 of 8 responses are right by the log and did not end by themselves: not correct here" in [
        *found.as_logged.sentences(8)
    ]


def test_partial_scores_no_answers_and_unscored_ones_stay_apart() -> None:
    found = ours(INSPECT / "graded.eval")
    by_question = {record.question: record for record in found.records}
    right, part, none, unscored = (by_question[f"What is {a} + {b}?"] for a, b in [(12, 30), (7, 8), (100, 11), (3, 4)])
    assert (right.status, right.score, right.correct) == (Status.CORRECT, 1.0, True)
    assert (part.status, part.score, part.correct) == (Status.WRONG, 0.5, False)
    assert (none.status, none.score) == (Status.WRONG, 0.0)
    assert (unscored.status, unscored.score) == (Status.UNJUDGED, None)
    assert found.as_logged.accuracy == found.as_logged.of_scores == 0.5  # (1 + 0.5 + 0) / 3
    assert found.as_logged.partial == 2


def test_a_sample_that_ended_in_an_error_is_unfinished_and_the_log_reckons_without_it() -> None:
    found = ours(INSPECT / "failed.eval")
    (failed,) = (record for record in found.records if record.finish is Finish.ABORTED)
    assert (failed.tokens, failed.text, failed.correct, failed.score) == (0, "", False, None)
    assert found.as_logged.failed == 1
    assert found.as_logged.accuracy == found.as_logged.of_scores == 1.0


def test_several_calls_for_one_answer_are_counted_together(tmp_path: Path) -> None:
    once = {r.problem_id: r.tokens for r in ours(INSPECT / "other_prompt.eval").records if r.sample == 0}
    twice = ours(INSPECT / "twice.eval").records
    for record in twice:
        parts = record.text.split("\n\n")
        words = [len(part.replace("<think>", "").replace("</think>\n", " ").split()) for part in parts]
        assert len(parts) == 2
        assert record.tokens == sum(words)
    assert once.keys() == {record.problem_id for record in twice}


STEP = {"event": "step", "type": "scorer", "name": "graded"}


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ({"event": "span_begin", "type": "scorers"}, {}),
        ({"event": "span_begin", "type": None, "name": "scorers"}, {}),
        ({**STEP, "action": "begin"}, {**STEP, "action": "end"}),  # of inspect before its spans
    ],
)
def test_what_a_scorer_asks_the_same_model_is_no_part_of_the_answer(
    begin: dict[str, Any], end: dict[str, Any], tmp_path: Path
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1000, "total_tokens": 1001}
    call = {"event": "model", "model": "sums/base-40-0.8", "output": {"usage": {"output_tokens": 7}}}
    grading = {**call, "output": {"usage": usage}}
    other = {**grading, "role": "grader"}

    def change(log: dict[str, Any]) -> None:
        for sample in log["samples"]:
            sample["events"] = [call, other, call, begin, grading, end]

    assert {record.tokens for record in ours(changed(tmp_path, change)).records} == {14}


def test_a_zip_with_zstd_its_json_and_an_older_zip_are_one_log() -> None:
    pytest.importorskip("zstandard")
    found = [ours(INSPECT / name) for name in ("whole.eval", "base.eval", "base.json")]
    assert found[0].records == found[1].records == found[2].records
    assert found[0].rules == found[1].rules


def test_how_the_model_was_asked_is_the_protocol() -> None:
    rules = ours(INSPECT / "low.eval").rules
    assert (rules.temperature, rules.max_new_tokens, rules.k) == (0.6, 200, 2)
    assert (rules.request, rules.template, rules.verifier) == (
        "reasoning_effort=low",
        "generate",
        "inspect_ai:includes",
    )
    assert rules.value("task_version") == "1"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("other_problems", ["task_sha256"]),
        ("next_version", ["task_version"]),
        ("other_cap", ["max_new_tokens"]),
        ("other_prompt", ["template"]),
        ("low", ["request"]),
        ("short", []),
    ],
)
def test_what_differs_between_two_logs_is_known(name: str, facts: list[str]) -> None:
    assert ours(INSPECT / "base.eval").rules.differing(ours(INSPECT / f"{name}.eval").rules) == facts


def test_several_scorers_must_be_chosen_from() -> None:
    with pytest.raises(UserError, match="has scores of includes, match: say which count, --scorer includes"):
        ours(INSPECT / "two_scorers.eval")
    with pytest.raises(
        UserError, match=r"no scores of 'matches' \(did you mean 'match'\?\): name one of includes, match"
    ):
        ours(INSPECT / "two_scorers.eval", "matches")
    found = ours(INSPECT / "two_scorers.eval", "match")
    assert found.rules.verifier == "inspect_ai:match"
    assert found.as_logged.accuracy is None  # it reduces its epochs by their maximum


def test_our_judge_as_its_scorer_says_what_our_judge_says_here() -> None:
    scored = ours(INSPECT / "judged.eval")
    with Judge(workers=1) as judge:
        here = as_ours(read_log(INSPECT / "judged.eval"), None, judge, None)
    assert scored.rules.verifier == "inspect_ai:tersely_judge"
    assert [(r.status, r.extracted) for r in scored.records] == [(r.status, r.extracted) for r in here.records]
    # A right answer that was cut off is none there either.
    assert scored.as_logged.accuracy == scored.as_logged.of_scores == 6 / 8
    assert scored.as_logged.unfinished == 0


def test_a_scorer_of_several_numbers_is_several() -> None:
    from tersely.imported.inspect_log import _scores

    found = dict(_scores({"graded": {"value": {"right": 1, "short": 0.25, "odd": None}, "answer": "4"}}))
    assert {name: one.value for name, one in found.items() if name != "graded.odd"} == {
        "graded.right": 1.0,
        "graded.short": 0.25,
    }
    assert found["graded.odd"].value != found["graded.odd"].value


WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "Yes": 1.0, "false": 0.0, "0.25": 0.25, "nonsense": 0.0, "inf": 0.0}


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_words_are_worth_what_inspect_makes_of_them(word: str, value: float) -> None:
    from tersely.imported.inspect_log import _number

    assert _number(word) == value


# --- what is refused


def status(value: str) -> Any:
    return lambda log: log.update(status=value)


def each(name: str, value: object) -> Any:
    return lambda log: [sample.update({name: value}) for sample in log["samples"]]


def no_usage(log: dict[str, Any]) -> None:
    for sample in log["samples"]:
        sample["output"]["usage"], sample["model_usage"] = None, {}


def counted(tokens: object) -> Any:
    return lambda log: [s["output"]["usage"].update(output_tokens=tokens) for s in log["samples"]]


def rescored(value: object) -> Any:
    return lambda log: [sample["scores"]["includes"].update(value=value) for sample in log["samples"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (status("started"), "of an evaluation with the status 'started': finish it with inspect eval-retry first"),
        (status("cancelled"), "of an evaluation with the status 'cancelled'"),
        (lambda log: log.update(invalidated=True), "was declared invalid"),
        (lambda log: log.update(version=3), "is of version 3 of inspect's logs: here 2 is known"),
        (lambda log: log.update(samples=None), "holds no samples: evaluate again with --log-samples"),
        (no_usage, "does not say how many tokens a response has, and they are not invented: give --tokenizer FOLDER"),
        (each("scores", None), "has no score of each response: give --judge"),
        (rescored(7.5), "includes gave the score 7.5, which is no share of right"),
        (each("input", " "), "sample 1: 'problem' is empty"),
        (counted(-5), "tokens is -5, no number of tokens"),
        (counted("many"), "cannot be read as a log of inspect-ai"),
        (each("input", 5), "cannot be read as a log of inspect-ai"),
        (each("output", None), "cannot be read as a log of inspect-ai"),
        (lambda log: log["plan"]["config"].update(temperature="hot"), "temperature is 'hot', no number"),
        (lambda log: log.pop("eval"), "is no log that is known here"),
    ],
)
def test_a_log_that_cannot_be_used_is_one_sentence(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        ours(changed(tmp_path, change))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_real_evaluation_that_was_stopped_is_refused() -> None:
    with pytest.raises(UserError, match="the status 'error'"):
        read(INSPECT / "stopped.eval")


# --- what is taken all the same


def test_an_answer_need_not_be_there_and_may_be_one_of_several(tmp_path: Path) -> None:
    assert {r.answer for r in ours(changed(tmp_path, each("target", ""))).records} == {""}
    assert {r.answer for r in ours(changed(tmp_path, each("target", ["six", "6"]))).records} == {"six | 6"}


def test_choices_stand_in_the_question_as_in_our_tasks(tmp_path: Path) -> None:
    change = lambda log: [s.update(choices=["40", "42"], target="B") for s in log["samples"]]  # noqa: E731
    records = ours(changed(tmp_path, change)).records
    assert records[0].problem_id == content_id("What is 12 + 30?\n(A) 40\n(B) 42", "B")


def test_a_conversation_is_known_by_all_of_it_and_a_picture_by_its_digest(tmp_path: Path) -> None:
    def asked(picture: str) -> str:
        content = [{"type": "text", "text": "What is it?"}, {"type": "image", "image": picture}]
        said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]

        def change(log: dict[str, Any]) -> None:
            log["samples"] = [{**log["samples"][0], "input": said}]

        return ours(changed(tmp_path, change)).records[0].question

    assert asked("data:1").startswith("system: Be brief.\nuser: What is it?\n[image ")
    assert asked("data:1") != asked("data:2")


def test_one_problem_under_two_names_is_one_problem_and_said(tmp_path: Path) -> None:
    def change(log: dict[str, Any]) -> None:
        for sample in log["samples"]:
            if sample["id"] == 2:
                sample.update(input="What is 12 + 30?", target="42", metadata={"level": 9})

    found = ours(changed(tmp_path, change))
    assert sorted(r.sample for r in found.records if r.answer == "42") == [0, 1, 2, 3]
    assert found.as_logged.repeated == 1
    assert "1 problems stand in the log under several names: their responses are taken together" in [
        *found.as_logged.sentences(8)
    ]


def test_a_response_that_was_limited_did_not_end_by_itself(tmp_path: Path) -> None:
    for kind, finish in (("token", Finish.LENGTH), ("time", Finish.ABORTED)):
        path = changed(tmp_path, each("limit", {"type": kind, "limit": 5}))
        assert {record.finish for record in ours(path).records} == {finish}


def test_what_a_log_counted_and_does_not_hold_is_said(tmp_path: Path) -> None:
    found = ours(changed(tmp_path, lambda log: log["samples"].pop()))
    assert found.as_logged.missing == 1
    assert "1 responses that the log counted are not in it" in [*found.as_logged.sentences(7)]


def test_scores_that_give_another_accuracy_than_the_log_says_are_told(tmp_path: Path) -> None:
    change = lambda log: log["results"]["scores"][0]["metrics"]["accuracy"].update(value=0.5)  # noqa: E731
    told = [*ours(changed(tmp_path, change)).as_logged.sentences(8)]
    assert told[0].endswith("its own accuracy is 0.5000 (its scores give 0.8750)")


def test_every_field_of_a_sample_may_be_odd_and_nothing_ends_in_a_traceback(tmp_path: Path) -> None:
    plain = json.loads((INSPECT / "base.json").read_text(encoding="utf-8"))
    for name in plain["samples"][0]:
        for value in (None, 5, "text", [], {}, [None], {"a": 1}):
            with contextlib.suppress(UserError):
                ours(changed(tmp_path, each(name, value)))


def test_the_command_writes_what_the_log_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = imported(tmp_path, INSPECT / "base.eval")
    assert found.path == tmp_path / "sums-base-40-0.8" / "sums"
    assert found.as_logged is not None
    assert found.as_logged.accuracy == found.as_logged.of_scores == 7 / 8
    assert found.summary.overall.accuracy is not None
    assert found.summary.overall.accuracy.value == 6 / 8
    assert "its own accuracy is 0.8750" in capsys.readouterr().out


def test_a_sample_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds sample 1 of epoch 1 2 times: import the log as its evaluator wrote it"):
        ours(changed(tmp_path, lambda log: log["samples"].append(log["samples"][0])))


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"output_tokens": 100, "reasoning_tokens": 94, "total_tokens": 107}, 100),
        ({"output_tokens": 6, "reasoning_tokens": 94, "total_tokens": 107}, 100),  # xAI's: thinking beside
        ({"output_tokens": 60, "reasoning_tokens": 40, "total_tokens": 107}, 100),
        ({"output_tokens": 60, "reasoning_tokens": 40, "total_tokens": 137, "input_tokens_cache_read": 30}, 100),
        ({"output_tokens": 60, "reasoning_tokens": 40, "total_tokens": 107, "input_tokens_cache_read": 5}, 100),
        ({"output_tokens": 60, "reasoning_tokens": 40, "total_tokens": 107, "input_tokens_cache_read": 40}, 60),
        ({"output_tokens": 100, "reasoning_tokens": 94}, 100),
        ({"output_tokens": 6, "reasoning_tokens": 94}, 100),
    ],
)
def test_thinking_that_is_counted_beside_the_answer_is_part_of_the_response(
    tmp_path: Path, usage: dict[str, int], tokens: int
) -> None:
    def change(log: dict[str, Any]) -> None:
        for sample in log["samples"]:
            sample["events"], sample["output"]["usage"] = [], {"input_tokens": 7, **usage}

    records = ours(changed(tmp_path, change)).records
    assert {record.tokens for record in records} == {tokens}


def test_more_choices_than_letters_are_named_as_inspect_names_them(tmp_path: Path) -> None:
    found = ours(changed(tmp_path, each("choices", [f"option {i}" for i in range(28)])))
    lines = found.records[0].question.split("\n")
    assert lines[-3:] == ["(Z) option 25", "(1) option 26", "(2) option 27"]
