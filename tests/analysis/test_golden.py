"""What the typed records write, against what the analysis wrote while its results were plain dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_records import PROTOCOL, golden_pairs, golden_records
from tersely.analysis import ProtocolFacts, Summary, compare_paired, summarise
from tersely.analysis.faithfulness import FaithfulnessSummary, summarise_faithfulness
from tersely.analysis.profile import profile_records
from tersely.analysis.profile_blocks import Profile
from tersely.analysis.records import LATER

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "analysis_golden.json").read_bytes())
FACTS = ProtocolFacts.from_json(PROTOCOL)
OLD = ProtocolFacts.from_json({"task": "old", "k": 1})


def written(content: object) -> str:
    """The text of a file, with numbers to twelve digits: the last bits are the machine's."""
    text = json.dumps(content, indent=2, ensure_ascii=True, allow_nan=False)
    return json.dumps(json.loads(text, parse_float=lambda number: f"{float(number):.12g}"), indent=2)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("summary", lambda: summarise(golden_records(), FACTS.of_model("runs/one"))),
        ("summary_of_one_response", lambda: summarise(golden_records(k=1), OLD, {"doubt": ("hm",)})),
        ("paired", lambda: compare_paired(golden_records(), golden_records(1))),
        ("profile", lambda: profile_records(golden_records(), FACTS)),
        ("faithfulness", lambda: summarise_faithfulness(golden_pairs())),
    ],
)
def test_the_same_records_are_written_as_the_same_file(name: str, make: Callable[[], Any]) -> None:
    assert written(make().to_json()) == written(GOLDEN[name])


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("summary", Summary),
        ("summary_of_one_response", Summary),
        ("profile", Profile),
        ("faithfulness", FaithfulnessSummary),
    ],
)
def test_a_file_that_is_read_is_written_again_byte_for_byte(name: str, record: Any) -> None:
    assert json.dumps(record.from_json(GOLDEN[name]).to_json()) == json.dumps(GOLDEN[name])


def test_a_summary_of_an_older_release_stays_as_it_was_and_says_what_it_lacks() -> None:
    old = json.loads(json.dumps(GOLDEN["summary"]))
    for block in (old["overall"], *old["by_difficulty"].values()):
        for name in LATER:
            del block[name]
    del old["protocol"]["repeat"]
    read = Summary.from_json(old)
    assert read.overall.absent == LATER
    assert read.overall.spread is read.overall.overthinking is read.overall.best_of_k is None
    assert json.dumps(read.to_json()) == json.dumps(old)


@pytest.mark.parametrize("missing", ["overall", "protocol", "k", "by_difficulty"])
def test_what_is_no_summary_is_refused(missing: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Summary.from_json({name: value for name, value in GOLDEN["summary"].items() if name != missing})
