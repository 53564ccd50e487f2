"""Rows of a gradient step shared out to processes by their tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tersely.learn.batch import balanced_shares

widths = st.lists(st.integers(1, 5_000), max_size=60)


def fullest(widths_B: list[int], shares: list[list[int]]) -> float:
    """Tokens of the fullest process over the mean."""
    tokens = [sum(widths_B[row] for row in share) for share in shares]
    return max(tokens) * len(shares) / sum(tokens)


def long_tailed(seed: int) -> list[int]:
    """16 groups of 8 responses, a gradient step of the paper's; problems differ in length, and siblings too."""
    draws = np.random.default_rng(seed)
    problems = draws.lognormal(0.0, 0.6, (16, 1))
    return [int(n) for n in np.clip(3_000 * problems * draws.lognormal(0.0, 0.6, (16, 8)), 50, 32_000).ravel()]


def test_eight_processes_have_as_many_tokens_each_on_a_long_tailed_trace() -> None:
    balanced, by_groups = [], []
    for seed in range(20):
        rows = long_tailed(seed)
        balanced.append(fullest(rows, balanced_shares(rows, 8)))
        by_groups.append(fullest(rows, [[i for i in range(128) if i // 8 % 8 == p] for p in range(8)]))
    assert max(balanced) <= 1.05
    assert np.mean(by_groups) > 1.5


@given(widths, st.integers(1, 9))
def test_each_row_is_in_one_share(widths_B: list[int], processes: int) -> None:
    shares = balanced_shares(widths_B, processes)
    assert len(shares) == processes
    assert sorted(row for share in shares for row in share) == list(range(len(widths_B)))
    assert all(share == sorted(share) for share in shares)


@given(widths.filter(bool), st.integers(1, 9))
def test_no_share_is_longer_than_what_graham_promises(widths_B: list[int], processes: int) -> None:
    """The best possible maximum is at least the mean and the widest row; a greedy share exceeds the mean by less than
    its last row."""
    tokens = [sum(widths_B[row] for row in share) for share in balanced_shares(widths_B, processes)]
    # In whole numbers, where nothing is rounded.
    assert processes * max(tokens) <= sum(widths_B) + max(widths_B) * (processes - 1)


def test_one_process_keeps_the_order() -> None:
    assert balanced_shares([3, 9, 1], 1) == [[0, 1, 2]]
