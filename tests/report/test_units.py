"""Every estimate says what it counts: problems, seeds or sets; and the words that are printed follow it."""

from __future__ import annotations

from golden_records import golden_records
from tersely.analysis import aggregate_sets, clustered_mean, compare_paired, pass_at_k
from tersely.analysis.aggregate import pair_records
from tersely.analysis.frontier import trend
from tersely.analysis.intervals import difference_of_estimates
from tersely.compare.cost import negated, scaled
from tersely.records import Estimate, Unit
from tersely.report.measure import over_seeds

ONE, OTHER = (Estimate(value, value - 1, value + 1, 30, "t over problems") for value in (4.0, 5.0))


def test_estimates_of_responses_count_problems() -> None:
    block = compare_paired(golden_records(), golden_records(1)).overall
    clusters = {"a": [1.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0]}
    found = [clustered_mean(clusters), pass_at_k(clusters, 2), block.token_saving, block.token_ratio]
    assert [estimate.unit for estimate in found if estimate is not None] == [Unit.PROBLEMS] * 4


def test_several_seeds_count_seeds_and_one_stays_what_it_is() -> None:
    joint = over_seeds([ONE, OTHER, None])
    assert joint is not None
    assert (joint.unit, joint.n, joint.method) == (Unit.SEEDS, 2, "no interval: too few seeds to say (fewer than 10)")
    agreed = over_seeds([ONE] * 10)
    assert agreed is not None
    assert (agreed.unit, agreed.n) == (Unit.SEEDS, 10)
    assert agreed.low is not None
    assert agreed.low < agreed.value
    assert over_seeds([ONE, None]) == ONE


def test_an_aggregate_counts_sets_and_each_of_its_sets_problems() -> None:
    pair = pair_records("s", golden_records(), golden_records(1))
    found = aggregate_sets([pair, pair])
    assert {found.accuracy.unit, found.tokens.unit, found.aes.unit} == {Unit.SETS}
    assert {estimate.unit for one in found.sets for estimate in (one.accuracy, one.tokens, one.aes)} == {Unit.PROBLEMS}


def test_what_is_computed_from_an_estimate_keeps_its_unit() -> None:
    joint = over_seeds([ONE, OTHER])
    assert joint is not None
    found = [negated(joint), scaled(joint, 3.0), difference_of_estimates(joint, joint)]
    found += trend("tokens", [0.0, 0.1], [joint, joint]).steps
    assert {estimate.unit for estimate in found} == {Unit.SEEDS}
