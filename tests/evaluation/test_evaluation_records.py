"""What an evaluation folder holds, read as one record, and what a line of its responses says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import fake_runs
from eval_records import record
from tersely.analysis import ProtocolFacts
from tersely.errors import StorageError, UserError
from tersely.evaluation import EvalProtocol, read_evaluation
from tersely.records import EvalRecord, LengthSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fake_runs.make_base(tmp_path, problems=6) / "evaluation" / fake_runs.TASK


def test_a_folder_is_read_as_it_was_written(folder: Path) -> None:
    found = read_evaluation(folder)
    written = json.loads((folder / "summary.json").read_text())
    assert (found.name, found.path) == (fake_runs.TASK, folder)
    assert found.responses() == tuple(fake_runs.make_records(None, 0, 6))
    assert found.protocol.to_json() == written["protocol"]
    assert list(found.protocol.to_json()) == list(written["protocol"])
    assert found.summary.to_json() == written["summary"]
    assert (found.versions, found.command) == (fake_runs.VERSIONS, written["command"])
    assert found.engine is found.weights_sha256 is None  # older folders do not say


@pytest.mark.parametrize(
    "change",
    [
        {"summary": {}},
        {"summary": []},
        {"summary": None},
        {"protocol": None},
        {"protocol": {"k": "four"}},
        {"protocol": {"temperature": "hot"}},
        {"versions": 3},
    ],
)
def test_a_damaged_summary_is_refused_by_name(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"summary.json is not a summary of tersely \(.*evaluate again"):
        read_evaluation(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\x00", "[" * 100_000])
def test_what_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "summary.json").write_text(text)
    with pytest.raises(StorageError, match=r"summary of an evaluation: (not JSON|no JSON object)"):
        read_evaluation(folder)


def test_a_line_of_responses_is_the_fields_of_its_record_and_reads_back() -> None:
    one = record("a", 0, thinking_tokens=4)
    silent = ("length_source", "outside", "own_status", "remark", "served", "score")
    assert one.to_json() == {k: v for k, v in asdict(one).items() if k not in silent}
    assert list(one.to_json())[-1] == "thinking_tokens"
    assert EvalRecord.from_json(json.loads(json.dumps(one.to_json()))) == one
    old = {k: v for k, v in one.to_json().items() if k != "thinking_tokens"}
    assert EvalRecord.from_json(old) == replace(one, thinking_tokens=None)


@pytest.mark.parametrize("source", [LengthSource.USAGE, LengthSource.RETOKENISED])
def test_a_length_that_is_not_of_sampled_ids_says_so_on_its_line(source: LengthSource) -> None:
    one = record("a", 0, length_source=source)
    line = json.loads(json.dumps(one.to_json()))
    assert line["length_source"] == source.value
    assert EvalRecord.from_json(line) == one
    with pytest.raises(ValueError, match="guessed"):
        EvalRecord.from_json({**line, "length_source": "guessed"})


def test_facts_keep_the_order_and_the_unknown_facts_of_their_file() -> None:
    content = {"k": 2, "new_fact": [1, 2], "task": "t", "model": "m"}
    facts = ProtocolFacts.from_json(content)
    assert list(facts.to_json().items()) == list(content.items())
    assert facts.value("new_fact") == [1, 2]
    assert facts.differing(ProtocolFacts.from_json({"k": 3, "task": "t"}), {"model"}) == ["k", "new_fact"]
    assert list(facts.without_model().to_json()) == ["k", "new_fact", "task"]


def test_a_fact_that_was_not_recorded_is_the_same_as_none() -> None:
    made = EvalProtocol(task="t", size=None, k=2, max_new_tokens=8).facts("boxed", "ab")
    old = ProtocolFacts.from_json({k: v for k, v in made.to_json().items() if v is not None})
    assert made.differing(old) == []
    assert "repeat" not in old.to_json()
    assert list(made.of_model("m").to_json()) == [*made.to_json(), "model"]
