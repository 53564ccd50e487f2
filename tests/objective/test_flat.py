"""Flat batches: the same credit, wherever the siblings stand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.objective import Objective

alphas = st.floats(0, 1, exclude_max=True)
normalizations = st.sampled_from(["none", "group", "batch"])
rows = st.tuples(st.floats(0, 1) | st.booleans(), st.integers(0, 40_000), st.sampled_from("abcde"), st.booleans())
batches = st.lists(rows, max_size=30)


def columns(batch: list[tuple]) -> tuple[list, list, list, list]:
    scores, lengths, ids, judged = (list(column) for column in zip(*batch, strict=True)) if batch else ([],) * 4
    return scores, lengths, ids, judged


@given(alphas, st.sampled_from(["paper", "linear"]), st.sampled_from(["rloo", "mean"]), normalizations, batches)
def test_flat_credit_is_group_credit_bit_for_bit(
    alpha: float, method: str, advantage: str, normalize: str, batch: list
) -> None:
    objective = Objective(alpha, method, advantage, normalize)
    flat = objective.credit_flat(*columns(batch))
    places: dict[str, list[int]] = {}
    for i, (_, _, group, _) in enumerate(batch):
        places.setdefault(group, []).append(i)
    groups = [tuple([batch[i][k] for i in rows] for k in (0, 1, 3)) for rows in places.values()]
    for (name, rows), credit in zip(places.items(), objective.credits(groups), strict=True):
        np.testing.assert_array_equal(flat.rewards_N[rows], credit.rewards_G)
        np.testing.assert_array_equal(flat.advantages_N[rows], credit.advantages_G)
        np.testing.assert_array_equal(flat.counted_N[rows], credit.counted_G)
        np.testing.assert_array_equal(flat.parts["penalty"][rows], credit.parts["penalty"])
        assert flat.dropped.get(name) == credit.dropped
    assert flat.rewards_N.shape == flat.advantages_N.shape == flat.counted_N.shape == (len(batch),)
    assert flat.counted_N.dtype == np.bool_


@given(alphas, normalizations, batches, st.randoms(use_true_random=False))
def test_permuting_the_batch_permutes_the_credit(alpha: float, normalize: str, batch: list, random: object) -> None:
    objective = Objective(alpha, normalize=normalize)
    order = list(range(len(batch)))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = objective.credit_flat(*columns(batch))
    after = objective.credit_flat(*columns([batch[i] for i in order]))
    np.testing.assert_allclose(after.rewards_N, before.rewards_N[order], rtol=0, atol=1e-14)
    np.testing.assert_allclose(after.advantages_N, before.advantages_N[order], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(after.counted_N, before.counted_N[order])
    assert after.dropped == before.dropped


def test_interleaved_groups_by_hand() -> None:
    # Group 7: one correct of two at alpha 0.1: rewards 0.95 and 0, advantages 0.95 and -0.95. Group 9 has one row.
    flat = Objective(0.1).credit_flat([1, 1, 0], [5, 8, 3], [7, 9, 7])
    assert flat.rewards_N.tolist() == [0.95, 0.95, 0.0]
    assert flat.advantages_N.tolist() == [0.95, 0.0, -0.95]
    assert flat.dropped == {9: "fewer than two judged responses"}
    assert flat.parts["accuracy"].tolist() == [1.0, 1.0, 0.0]
    assert flat.state is None


def test_batch_normalisation_looks_at_the_whole_flat_batch() -> None:
    objective = Objective(0.2, normalize="batch")
    flat = objective.credit_flat([1, 0, 1, 0], [3, 8, 4, 9], ["a", "a", "b", "b"])
    assert flat.advantages_N @ np.array([3.0, 8, 4, 9]) == pytest.approx(0, abs=1e-12)


def test_arrays_and_tensors_are_taken_as_lists_are() -> None:
    correct, lengths, ids, judged = [1, 0, 1, 1], [10, 20, 30, 40], [0, 1, 0, 1], [1, 1, 1, 1]
    plain = Objective(0.2).credit_flat(correct, lengths, ids, judged)
    for kind in (np.array, torch.tensor):
        got = Objective(0.2).credit_flat(*(kind(c) for c in (correct, lengths, ids, judged)))
        np.testing.assert_array_equal(got.advantages_N, plain.advantages_N)
    uids = np.array(["x", "y", "x", "y"], dtype=object)
    np.testing.assert_array_equal(Objective(0.2).credit_flat(correct, lengths, uids).rewards_N, plain.rewards_N)


def test_padding_rows_of_zero_length_in_groups_of_their_own_change_nothing() -> None:
    objective = Objective(0.2, normalize="batch")
    plain = objective.credit_flat([1, 0, 1], [3, 8, 4], ["a", "a", "a"])
    padded = objective.credit_flat([1, 0, 1, 0, 0], [3, 8, 4, 0, 0], ["a", "a", "a", "pad1", "pad2"])
    np.testing.assert_array_equal(padded.advantages_N[:3], plain.advantages_N)
    assert padded.advantages_N[3:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "further", "message"),
    [
        (([1, 0], [1], ["a", "a"]), {}, "sizes differ: group_ids 2, correct 2, lengths 1"),
        (([1, 0], [1, 2], ["a"]), {}, "sizes differ: group_ids 1"),
        (([1, 0], [1, 2], ["a", "a"], [1]), {}, "judged 1"),
        (([1, 0], [1, 2], 5), {}, "group_ids must hold"),
        (([1, 0], [1, 2], [["a"], ["a"]]), {}, "group_ids must hold"),
        (([1, 0], [1, 2], [math.nan, 1.0]), {}, "row 0: group_ids holds nan"),
        ((1, [1, 2], ["a", "a"]), {}, "correct must be a flat list"),
        (("10", [1, 2], ["a", "a"]), {}, "sizes differ"),
        (([1, 2], [1, 2], ["a", "a"]), {}, "group 'a': correct must hold True or False"),
        (([1, 0], [1, -2], ["a", "a"]), {}, "group 'a': lengths count tokens"),
        (([1, 0], [1, math.nan], ["a", "b"]), {}, "group 'b': lengths must be finite"),
        (([1, 0], [1, 2], ["a", "a"]), {"texts": ["x", 3]}, "group 'a': texts must hold one string"),
        (([1, 0], [1, 2], ["a", "a"]), {"texts": "xy"}, "sizes differ: .*texts 0"),
        (([1, 0], [1, 2], ["a", "a"]), {"budgets": [1, 0]}, "budgets count tokens and must be above 0"),
        (([1, 0], [1, 2], ["a", "a"]), {"cap": 0}, "cap must be a whole number"),
        (([1, 0], [1, 2], ["a", "a"]), {"cap": 2.5}, "cap must be a whole number"),
        (([1, 0], [1, 2], ["a", "a"]), {"truncated": [1, 0]}, "a truncated response is never correct"),
        (([1, 0], [1, 2], ["a", "a"]), {"truncated": [0, 2]}, "truncated must hold True or False"),
        (([1, 0], [1, 2], ["a", "a"]), {"problem_ids": ["p", "q"]}, "responses to several problems"),
    ],
)
def test_bad_batches_are_refused(arguments: tuple, further: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(0.1).credit_flat(*arguments, **further)


def test_an_empty_batch_earns_nothing() -> None:
    flat = Objective(0.1, normalize="batch").credit_flat([], [], [])
    assert flat.rewards_N.shape == flat.advantages_N.shape == flat.counted_N.shape == (0,)
