"""Verifiers that grade: a score in [0, 1] takes the place of correct; True and False are its two ends."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tersely.objective import Objective, view_of
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict

SIGMA_1 = 0.7310585786300049  # 1 / (1 + e^-1), 50-digit decimal arithmetic

rows = st.tuples(st.booleans(), st.integers(0, 40_000), st.booleans())
groups = st.lists(rows, min_size=1, max_size=12)


def test_the_score_scales_the_reward_and_only_earners_set_the_lengths() -> None:
    # Lengths 10 and 30 of the two that earn: z = -1 and 1. r = s * (1 - 0.2 * sigma(z)).
    credit = Objective(0.2).credit([0.5, 1.0, 0.0], [10, 30, 9999])
    np.testing.assert_allclose(
        credit.rewards_G, [0.5 * (1 - 0.2 * (1 - SIGMA_1)), 1 - 0.2 * SIGMA_1, 0], rtol=0, atol=1e-15
    )
    assert credit.parts["accuracy"].tolist() == [0.5, 1.0, 0.0]


@given(st.floats(0, 1, exclude_max=True), st.sampled_from(["paper", "linear"]), groups)
def test_ones_and_zeros_are_true_and_false_bit_for_bit(alpha: float, method: str, group: list) -> None:
    correct, lengths, judged = (list(column) for column in zip(*group, strict=True))
    as_truths = Objective(alpha, method).credit(correct, lengths, judged)
    as_scores = Objective(alpha, method).credit([float(c) for c in correct], lengths, judged)
    assert as_truths.rewards_G.tobytes() == as_scores.rewards_G.tobytes()
    assert as_truths.advantages_G.tobytes() == as_scores.advantages_G.tobytes()


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_a_better_score_earns_more_at_equal_length(alpha: float, scores: list) -> None:
    rewards = Objective(alpha).credit(scores, [100] * len(scores)).rewards_G
    assert (np.diff(rewards[np.argsort(scores, kind="stable")]) >= 0).all()
    assert ((rewards >= 0) & (rewards <= 1)).all()


def test_a_group_record_shows_a_method_all_that_it_holds() -> None:
    problem = Problem("0" * 16, "1+1?", None, Kind.MATH, "toy")
    ends = [(2, Finish.EOS, 0.25), (4, Finish.EOS, None), (9, Finish.LENGTH, None), (3, Finish.EOS, None)]
    rollouts = tuple(Rollout(problem.id, i, (1,), (7,) * n, None, f"t{i}", e, 0) for i, (n, e, _) in enumerate(ends))
    status = (Status.WRONG, Status.CORRECT, Status.NO_ANSWER, Status.UNJUDGED)
    verdicts = tuple(Verdict(s, None, "", score=score) for s, (_, _, score) in zip(status, ends, strict=True))
    view = view_of(Group(problem, rollouts, verdicts), cap=9)
    assert view.scores_G.tolist() == [0.25, 1.0, 0.0, 0.0]
    assert view.lengths_G.tolist() == [2, 4, 9, 3]
    assert view.counted_G.tolist() == [True, True, True, False]
    assert view.truncated_G is not None
    assert view.truncated_G.tolist() == [False, False, True, False]
    assert (view.cap, view.texts_G, view.problem_id) == (9, ("t0", "t1", "t2", "t3"), problem.id)
    assert (view.budgets_G, view.state) == (None, None)
    assert Objective(0.2).credits([view])[0].rewards_G[1] == 1 - 0.2 * SIGMA_1
