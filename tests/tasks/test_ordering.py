"""Ordering puzzles: clues that leave one order, each of which was needed when it came, splits that cannot overlap."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.records import Kind, content_id
from tersely.tasks.sources.ordering import (
    EXTRA_CLUES,
    LEVELS,
    MOST_TRIES,
    OBJECTS,
    Puzzle,
    draw_puzzle,
    ordering_problems,
    ordering_puzzles,
    puzzle_from,
)


def answers(question: str) -> list[str]:
    """The object on the asked place of every order that a second reading of the question allows."""
    objects, clues, asked = question.removesuffix(" ?").split(" ; ")

    def allows(at: dict[str, int], clue: str) -> bool:
        one, relation, other = clue
        place = at[other] if other in at else int(other)
        return {
            "<": at[one] < place,
            "-": abs(at[one] - place) == 1,
            "@": at[one] == place,
            "!": at[one] != place,
        }[relation]

    orders = [dict(zip(order, range(1, 9), strict=False)) for order in permutations(objects.split())]
    left = [at for at in orders if all(allows(at, clue) for clue in clues.split())]
    place = int(asked.removeprefix("who"))
    return [name for at in left for name, here in at.items() if here == place]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(LEVELS))
def test_a_second_reading_finds_one_order_and_the_same_answer(seed: int, level: int) -> None:
    puzzle = draw_puzzle(random.Random(seed), level)
    assert answers(puzzle.question) == [puzzle.answer]
    assert puzzle_from(puzzle.problem()) == puzzle
    assert len(puzzle.clues) <= level + EXTRA_CLUES
    assert puzzle.tries <= MOST_TRIES


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(LEVELS))
def test_the_search_finds_the_order_and_every_clue_ruled_something_out(seed: int, level: int) -> None:
    puzzle = draw_puzzle(random.Random(seed), level)
    *_, last = puzzle.search()
    assert (last.name, last.fits) == (puzzle.solution[-1], True)
    counts = [
        sum(all(clue.holds(order) for clue in puzzle.clues[:n]) for order in permutations(puzzle.objects))
        for n in range(len(puzzle.clues) + 1)
    ]
    assert counts[-1] == 1
    assert all(fewer < more for more, fewer in pairwise(counts))


def test_sets_are_balanced_distinct_and_a_function_of_the_seed() -> None:
    problems = ordering_problems("held_out", 120, 3)
    assert problems == ordering_problems("held_out", 120, 3) != ordering_problems("held_out", 120, 4)
    assert Counter(p.difficulty for p in problems) == {str(level): 40 for level in LEVELS}
    assert len({p.id for p in problems}) == 120
    for problem in problems:
        assert problem.id == content_id(problem.question, problem.answer)
        assert (problem.kind, problem.source, problem.split) == (Kind.EXACT, "ordering", "held_out")


def bare(puzzle: Puzzle) -> str:
    """The question with its letters numbered as they are written first."""
    place = {name: str(k) for k, name in enumerate(puzzle.objects)}
    return re.sub("[A-E]", lambda found: f"({place[found[0]]})", puzzle.question)


@pytest.mark.slow
def test_splits_share_no_problem_not_even_under_other_letters() -> None:
    seen = [{bare(p) for p in ordering_puzzles(split, 200, 0)} for split in ("train", "held_out", "gate")]
    assert len(set.union(*seen)) == sum(map(len, seen))


@pytest.mark.slow
def test_the_answer_cannot_be_told_from_where_it_is_written() -> None:
    """Guessing an object as it stands first is right as often as chance (five standard errors)."""
    rng = random.Random(1)
    for level in LEVELS:
        hits = sum((p := draw_puzzle(rng, level)).objects[0] == p.answer for _ in range(600))
        assert abs(hits / 600 - 1 / level) < 5 * (0.25 / 600) ** 0.5
    assert len({name for _ in range(50) for name in draw_puzzle(rng, 3).objects}) == len(OBJECTS)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        ordering_problems("train", 0, 0)
    with pytest.raises(UserError, match="unknown split"):
        ordering_problems("test", 6, 0)  # type: ignore[arg-type]
