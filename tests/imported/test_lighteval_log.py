"""Logs of lighteval that its own library wrote: a row a problem, tokens by the ids that it kept."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logs import LOGS, imported
from tersely.errors import UserError
from tersely.imported import lighteval_log
from tersely.imported.as_ours import Imported, as_ours
from tersely.imported.formats import read_log
from tersely.records import Finish, LengthSource, Status
from tersely.tasks import load_task

parquet = pytest.importorskip("pyarrow.parquet")
arrow = pytest.importorskip("pyarrow")

(DETAILS,) = (LOGS / "lighteval").glob("details/*/*/*.parquet")
(RESULTS,) = (LOGS / "lighteval").glob("results/*/*.json")
REASONER = Path(__file__).parents[2] / "src" / "tersely" / "toy" / "shipped" / "base"


def ours(path: Path) -> Imported:
    return as_ours(read_log(path), None, None, None)


def changed(tmp_path: Path, change: Callable[[dict[str, Any], list[dict[str, Any]]], object]) -> Path:
    """The log after ``change`` of its results and its rows."""
    results, rows = json.loads(RESULTS.read_text(encoding="utf-8")), parquet.read_table(DETAILS).to_pylist()
    change(results, rows)
    (tmp_path / "results_1.json").write_text(json.dumps(results), encoding="utf-8")
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "details_sums_1.parquet")
    return tmp_path / "details_sums_1.parquet"


def test_its_problems_are_those_of_our_own_task() -> None:
    own = {problem.id for problem in load_task("arithmetic", "held_out", 5)}
    assert {record.problem_id for record in ours(DETAILS).records} == own


def test_tokens_are_the_ids_that_it_kept() -> None:
    kept = [len(row["model_response"]["output_tokens"][0]) for row in parquet.read_table(DETAILS).to_pylist()]
    records = ours(DETAILS).records
    assert [record.tokens for record in records] == kept
    assert {record.length_source for record in records} == {LengthSource.USAGE}


def test_a_response_as_long_as_the_cap_was_cut_off_and_its_accuracy_is_reproduced() -> None:
    found = ours(DETAILS)
    assert {(record.tokens == 45, record.finish) for record in found.records} == {
        (True, Finish.LENGTH),
        (False, Finish.EOS),
    }
    assert (found.as_logged.accuracy, found.as_logged.of_scores) == (0.6, 0.6)
    assert [record.status for record in found.records].count(Status.CORRECT) == 3


def test_how_the_model_was_asked_is_the_protocol() -> None:
    rules = ours(DETAILS).rules
    assert (rules.task, rules.temperature, rules.max_new_tokens) == ("sums", 0.0, 45)
    assert (rules.template, rules.verifier) == ("0-shot, prompt", "lighteval:boxed")
    assert rules.value("task_version") == "1"


def test_the_results_may_stand_beside_it_and_must_be_somewhere(tmp_path: Path) -> None:
    shutil.copy(DETAILS, tmp_path)
    with pytest.raises(UserError, match=r"needs the file of its results, results_2026.*json: put it beside it"):
        read_log(tmp_path / DETAILS.name)
    shutil.copy(RESULTS, tmp_path)
    assert ours(tmp_path / DETAILS.name).records == ours(DETAILS).records


def test_responses_without_ids_are_encoded_again(tmp_path: Path) -> None:
    def change(_: Any, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["model_response"].update(output_tokens=[], reasonings=["1 and 2"], text=["It is \\boxed{ 3 }"])

    path = changed(tmp_path, change)
    with pytest.raises(UserError, match="they are not invented: give --tokenizer FOLDER"):
        ours(path)
    (found,) = imported(tmp_path / "ev", path, "--tokenizer", REASONER)
    assert found.length_source == "retokenised"
    assert found.responses()[0].text == "<think>1 and 2</think>\nIt is \\boxed{ 3 }"


def test_several_responses_with_one_score_need_our_judge(tmp_path: Path) -> None:
    def change(_: Any, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            said = row["model_response"]
            said.update(text=said["text"] * 2, output_tokens=said["output_tokens"] * 2)

    path = changed(tmp_path, change)
    with pytest.raises(UserError, match="has no score of each response: give --judge"):
        ours(path)
    (found,) = imported(tmp_path / "ev", path, "--judge")
    assert found.summary.k == 2


def test_what_holds_no_responses_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda _, rows: [row["model_response"].update(text=[]) for row in rows])
    with pytest.raises(UserError, match="holds likelihoods of given answers and no response"):
        read_log(path)
    parquet.write_table(arrow.table({"doc": ["a"], "full_prompt": ["b"]}), tmp_path / "old.parquet")
    with pytest.raises(UserError, match="has no column 'model_response': it is no file of details"):
        read_log(tmp_path / "old.parquet")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"is a Parquet file, which takes a library: pip install"):
        read_log(DETAILS)


def test_a_file_that_unpacks_to_more_than_a_log_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lighteval_log, "MOST", 100)
    with pytest.raises(UserError, match="too many for a log"):
        read_log(DETAILS)


@pytest.mark.parametrize("keep", [10, 1000, 18000])
def test_a_torn_file_is_one_sentence(tmp_path: Path, keep: int) -> None:
    (tmp_path / DETAILS.name).write_bytes(DETAILS.read_bytes()[:keep])
    with pytest.raises(UserError, match="cannot be read as a log of lighteval") as error:
        read_log(tmp_path / DETAILS.name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda results, _: results.pop("config_tasks"),
        lambda results, _: results["results"].clear(),
        lambda _, rows: [row["doc"].update(gold_index=7) for row in rows],
        lambda _, rows: [row.update(metric=None) for row in rows],
        lambda _, rows: [row["doc"].update(query="") for row in rows],
    ],
)
def test_a_damaged_log_is_one_sentence(tmp_path: Path, change: Any) -> None:
    with pytest.raises(UserError) as error:
        ours(changed(tmp_path, change))
    assert "\n" not in str(error.value)


def test_a_problem_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds problem 3 2 times: import the log as its evaluator wrote it"):
        ours(changed(tmp_path, lambda _, rows: rows.append(rows[0])))


def test_a_metric_of_which_more_is_worse_is_no_share_of_right(tmp_path: Path) -> None:
    def worse(results: dict[str, Any], _: Any) -> None:
        results["config_tasks"]["sums|0"]["metrics"][0]["higher_is_better"] = False

    with pytest.raises(UserError, match="has no score of each response: give --judge"):
        ours(changed(tmp_path, worse))

    def of_each(results: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        (one,) = results["config_tasks"]["sums|0"]["metrics"]
        one.update(metric_name=["boxed", "errors"], higher_is_better={"boxed": True, "errors": False})
        for row in rows:
            row["metric"]["errors"] = 1.0

    assert ours(changed(tmp_path, of_each)).as_logged.scorer == "boxed"
