"""Every estimate says what it counts: problems, seeds or sets; and the words that are printed follow it."""

from __future__ import annotations

import pytest

from golden_records import golden_records
from tersely.analysis import aggregate_sets, clustered_mean, compare_paired, pass_at_k
from tersely.analysis.aggregate import pair_records
from tersely.analysis.frontier import trend
from tersely.analysis.intervals import difference_of_estimates
from tersely.analysis.seeds import FEW_SEEDS, FEWEST_SEEDS, OVER_SEEDS, SeedMean, over_seeds, scaled
from tersely.records import Estimate, Unit

ONE, OTHER = (Estimate(value, value - 1, value + 1, 30, "t over problems") for value in (4.0, 5.0))


def test_estimates_of_responses_count_problems() -> None:
    block = compare_paired(golden_records(), golden_records(1)).overall
    clusters = {"a": [1.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0]}
    found = [clustered_mean(clusters), pass_at_k(clusters, 2), block.token_saving, block.token_ratio]
    assert [estimate.unit for estimate in found if estimate is not None] == [Unit.PROBLEMS] * 4


def test_several_seeds_count_seeds_and_one_stays_what_it_is() -> None:
    joint = over_seeds([ONE, OTHER, None, *[ONE] * (FEWEST_SEEDS - 2)])
    assert joint is not None
    assert (joint.unit, joint.n, joint.method) == (Unit.SEEDS, FEWEST_SEEDS, OVER_SEEDS)
    assert joint.low is not None
    agreed = over_seeds([ONE] * FEWEST_SEEDS)
    assert agreed is not None
    assert agreed.low is not None
    assert agreed.low < ONE.value
    assert over_seeds([ONE, None]) == ONE


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_seeds_are_shown_and_have_no_interval(count: int) -> None:
    joint = over_seeds([ONE, OTHER, ONE, OTHER][:count])
    assert isinstance(joint, SeedMean)
    assert (joint.low, joint.high, joint.unit, joint.n) == (None, None, Unit.SEEDS, count)
    assert joint.method == FEW_SEEDS.format(fewest=FEWEST_SEEDS)
    assert joint.seeds == (4.0, 5.0, 4.0, 5.0)[:count]
    assert joint.value == pytest.approx(sum(joint.seeds) / count)


def test_an_interval_over_seeds_ends_at_what_is_possible() -> None:
    shares = [Estimate(value, value - 0.1, value + 0.1, 30, "") for value in (0.9, 1.0, 1.0, 0.7, 1.0) * 2]
    free, cut = over_seeds(shares), over_seeds(shares, (0.0, 1.0))
    assert free is not None
    assert cut is not None
    assert free.high is not None
    assert free.high > 1
    assert (cut.value, cut.low, cut.high) == (free.value, free.low, 1.0)


def test_a_scaled_estimate_turns_its_ends_and_its_seeds() -> None:
    saved = scaled(over_seeds([ONE, OTHER]) or ONE, -2.0, 1.0)
    assert isinstance(saved, SeedMean)
    assert (saved.value, saved.seeds) == (-8.0, (-7.0, -9.0))
    turned = scaled(ONE, -1.0)
    assert (turned.value, turned.low, turned.high) == (-4.0, -5.0, -3.0)


def test_an_aggregate_counts_sets_and_each_of_its_sets_problems() -> None:
    pair = pair_records("s", golden_records(), golden_records(1))
    found = aggregate_sets([pair, pair])
    assert {found.accuracy.unit, found.tokens.unit, found.aes.unit} == {Unit.SETS}
    assert {estimate.unit for one in found.sets for estimate in (one.accuracy, one.tokens, one.aes)} == {Unit.PROBLEMS}


def test_what_is_computed_from_an_estimate_keeps_its_unit() -> None:
    joint = over_seeds([ONE, OTHER])
    assert joint is not None
    found = [scaled(joint, -1.0), scaled(joint, 3.0), difference_of_estimates(joint, joint)]
    found += trend("tokens", [0.0, 0.1], [joint, joint]).steps
    assert {estimate.unit for estimate in found} == {Unit.SEEDS}
