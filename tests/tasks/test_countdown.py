"""Countdown: half of each level unsolvable, splits that cannot overlap, chances that are computed and not tuned."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.records import Kind, content_id
from tersely.tasks.sources.countdown import (
    LEVELS,
    Puzzle,
    countdown_problems,
    countdown_puzzles,
    draw_puzzle,
    puzzle_from,
    puzzle_of,
    solvable_puzzles,
    targets,
)

NUMBERS = st.tuples(*3 * [st.integers(1, 12)])


def reached(numbers: tuple[int, ...], operators: str) -> set[float]:
    """By brute force and Python's own arithmetic: every order and both brackets, results whole and in range."""

    def joined(op: str, x: int, y: int) -> int | None:
        value = {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else -1}[op]
        return int(value) if value == int(value) and 0 <= value <= 99 else None

    found = set()
    for a, b, c in permutations(numbers):
        for first, second in product(operators, repeat=2):
            inner = joined(first, a, b)
            if inner is not None:
                found |= {joined(second, inner, c), joined(second, c, inner)}
    return {value for value in found if value}


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.sampled_from(list(LEVELS)), st.integers(1, 99))
def test_a_puzzle_is_solvable_exactly_where_brute_force_reaches_its_target(
    numbers: tuple[int, int, int], level: int, target: int
) -> None:
    operators = "".join(LEVELS[level])
    assert set(targets(tuple(sorted(numbers)), level)) == reached(numbers, operators)
    puzzle = puzzle_of(numbers, level, target)
    assert puzzle.solvable == (target in reached(numbers, operators))
    if puzzle.solvable:
        steps = [step.split(" = ") for step in puzzle.solution().split(" , ")]
        assert all(eval(left) == int(right) for left, right in steps)
        assert steps[-1][1] == str(target)


@given(NUMBERS, st.sampled_from(list(LEVELS)), st.integers(1, 99))
def test_the_same_numbers_in_any_order_are_one_problem(numbers: tuple[int, ...], level: int, target: int) -> None:
    puzzles = {puzzle_of(order, level, target) for order in permutations(numbers)}
    assert len(puzzles) == 1
    [puzzle] = puzzles
    assert puzzle_from(puzzle.problem()) == puzzle


def test_sets_are_balanced_distinct_and_a_function_of_the_seed() -> None:
    puzzles = countdown_puzzles("held_out", 400, 3)
    assert Counter((p.level, p.solvable) for p in puzzles) == dict.fromkeys(product(LEVELS, (True, False)), 100)
    problems = countdown_problems("held_out", 400, 3)
    assert problems == countdown_problems("held_out", 400, 3) != countdown_problems("held_out", 400, 4)
    assert len({p.id for p in problems}) == 400
    for problem in problems:
        assert problem.id == content_id(problem.question, problem.answer)
        assert (problem.kind, problem.source, problem.split) == (Kind.COUNTDOWN, "countdown", "held_out")


def test_splits_never_share_a_problem_whatever_the_seeds() -> None:
    ids = [{p.id for seed in (0, 1) for p in countdown_problems(split, 300, seed)}
           for split in ("train", "held_out", "gate")]  # fmt: skip
    assert sum(map(len, ids)) == len(set.union(*ids))


def test_the_numbers_of_solvable_problems_are_those_of_the_reference() -> None:
    """Distinct (multiset, target): 3,986 with three operators and 4,717 with four, as counted in another program."""
    assert {level: sum(1 for _ in solvable_puzzles(level)) for level in LEVELS} == {2: 3986, 3: 4717}


REFERENCE = {
    2: [0.68, 0.60, 0.50, 0.47, 0.42, 0.29, 0.25, 0.18, 0.00],
    3: [0.70, 0.63, 0.56, 0.53, 0.50, 0.46, 0.38, 0.34, 0.29, 0.23, 0.08, 0.00],
}
"""Chances that a solution is left after 1, 2, .. blocks that failed, as another program drew problems, of which it says
that 24 to 28 % were unsolvable."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "chances"),
    [
        (2, [0.43, 0.35, 0.27, 0.25, 0.21, 0.15, 0.12, 0.08, 0.00]),
        (3, [0.44, 0.37, 0.30, 0.28, 0.26, 0.23, 0.17, 0.15, 0.12, 0.09, 0.02, 0.00]),
    ],
)
def test_chances_that_a_solution_is_left_after_blocks_that_failed(level: int, chances: list[float]) -> None:
    """Computed from every triple of numbers and every target, each as likely as it is drawn, half unsolvable. With the
    reference's share of unsolvable problems the chances are the reference's, but for what chance its draws had."""
    left = [0.0] * (len(chances) + 1)
    for numbers in product(range(1, 13), repeat=3):
        goals = targets(tuple(sorted(numbers)), level)
        for target in goals:
            hit = Puzzle(numbers, level, target).first_hit
            assert hit is not None
            for k in range(hit[0] + 1):
                left[k] += 1 / len(goals) / 12**3
    assert left[0] == pytest.approx(1)
    assert [share / (share + 1) for share in left[1:]] == pytest.approx(chances, abs=0.006)
    for share, found in zip(left[1:], REFERENCE[level], strict=True):
        low, high = (share * (1 - u) / (share * (1 - u) + u) for u in (0.28, 0.24))
        assert low - 0.03 < found < high + 0.03


def test_solvable_and_unsolvable_problems_look_nearly_alike() -> None:
    """Small numbers more often miss a target: the sums of the three numbers (from 3 to 36) differ a little, no more."""
    rng = random.Random(4)
    for level in LEVELS:
        drawn = {solvable: [draw_puzzle(rng, level, solvable) for _ in range(600)] for solvable in (True, False)}
        assert all(puzzle.solvable is solvable for solvable, puzzles in drawn.items() for puzzle in puzzles)
        sums = [sum(sum(p.numbers) for p in puzzles) / len(puzzles) for puzzles in drawn.values()]
        aims = [sum(p.target for p in puzzles) / len(puzzles) for puzzles in drawn.values()]
        assert abs(sums[0] - sums[1]) < 2.5
        assert abs(aims[0] - aims[1]) < 8


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        countdown_problems("train", 0, 0)
    with pytest.raises(UserError, match="unknown split"):
        countdown_problems("test", 6, 0)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"no more than \d+ different problems in gate"):
        countdown_problems("gate", 6000, 0)
