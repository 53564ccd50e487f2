"""A set that was stratified and not drawn says so in every estimate; one that was drawn does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from golden_records import PROTOCOL, golden_records
from tersely.analysis import ProtocolFacts, compare_paired, summarise
from tersely.analysis.strata import STRATIFIED, marked, stratified
from tersely.records import Estimate
from tersely.tasks.sources.arithmetic import EXCEPTION_RATES, arithmetic_exercises

FACTS = ProtocolFacts.from_json(PROTOCOL)
EMBEDDED, DRAWN = replace(FACTS, task="arithmetic"), replace(FACTS, task="gsm8k")


def methods(found: object) -> list[str]:
    """The method of every estimate in a JSON object."""
    if isinstance(found, dict):
        mine = [found["method"]] if "method" in found else []
        return mine + [method for item in found.values() for method in methods(item)]
    return []


def test_every_estimate_of_the_embedded_task_says_that_its_set_was_not_drawn() -> None:
    summary = summarise(golden_records(), EMBEDDED)
    assert len(methods(summary.to_json())) > 30
    assert all(method.endswith(STRATIFIED) for method in methods(summary.to_json()))
    paired = compare_paired(golden_records(), golden_records(1), EMBEDDED, EMBEDDED)
    assert all(method.endswith(STRATIFIED) for method in methods(paired.to_json()))


def test_a_task_file_that_names_its_strata_says_so_too() -> None:
    declared = DRAWN.drawn_by("stratum")
    assert ProtocolFacts.from_json(declared.to_json()) == declared
    assert "stratum" in stratified(declared)
    assert (stratified(DRAWN), stratified(None)) == ("", "")
    summary = summarise(golden_records(), declared)
    assert all(method.endswith(STRATIFIED) for method in methods(summary.to_json()))


def test_other_sets_say_nothing_of_it_and_no_number_changes() -> None:
    drawn, embedded = summarise(golden_records(), DRAWN), summarise(golden_records(), EMBEDDED)
    assert not any(STRATIFIED in method for method in methods(drawn.to_json()))
    one, other = drawn.overall.accuracy, embedded.overall.accuracy
    assert one is not None
    assert other is not None
    assert replace(other, method=one.method) == one
    loose = Estimate(1.0, None, None, 1, "none")
    assert marked(loose, None) is loose


@pytest.mark.slow
def test_the_embedded_task_is_stratified_as_it_says() -> None:
    exercises = arithmetic_exercises("held_out", 1200, 5)
    for level, rate in EXCEPTION_RATES.items():
        mine = [e for e in exercises if e.level == level]
        assert len(mine) == 200
        assert abs(sum(e.holds for e in mine) - 200 * rate) <= 1
