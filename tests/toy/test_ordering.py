"""Demonstrations of ordering puzzles, the habits that can be counted in them, and the known best for each problem."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tersely.records import Problem
from tersely.tasks.sources.ordering import (
    LEVELS,
    Clue,
    Puzzle,
    draw_puzzle,
    draw_puzzle_of,
    ordering_puzzles,
    puzzle_from,
)
from tersely.toy.optimum import frontier
from tersely.toy.ordering import PLAIN, SAID, WORDS, OrderingStyle, Writer, behaviours, draw_tries, optimum, orders_in
from tersely.toy.writing import Phase

EBC = Puzzle(tuple("BEC"), (Clue("E", "<", "C"), Clue("B", "-", "C"), Clue("B", "!", "2")), 3)
"""E C B: B and C are neighbours behind E, and B is not the second."""


def test_a_plain_search_word_for_word() -> None:
    words = Writer(EBC, random.Random(0), PLAIN).write()
    assert " ".join(words) == (
        "order free B E C put B 1 B-C open B!2 ok order 1 B free E C "
        "put E 2 E<C open order 1 B 2 E free C put C 3 E<C ok B-C no back order 1 B free E C "
        "put C 2 E<C no back order free B E C "
        "put E 1 E<C open order 1 E free B C put B 2 B-C open B!2 no "
        "put C 2 E<C ok B-C open order 1 E 2 C free B put B 3 B-C ok B!2 ok order 1 E 2 C 3 B "
        "so who3 3 B </think> \\boxed{ B } <eos>"
    )


def test_the_search_tries_what_the_task_says_and_ends_right() -> None:
    for puzzle in ordering_puzzles("gate", 90, 1):
        words = Writer(puzzle, random.Random(0), PLAIN).write()
        assert Counter(words)["put"] == puzzle.tries
        assert words[-3] == puzzle.answer


@pytest.mark.slow
def test_verbose_demonstrations_show_every_habit_and_are_mostly_right() -> None:
    rng, style = random.Random(2), OrderingStyle()
    shown: Counter[str] = Counter()
    right, lengths = 0, []
    for _ in range(600):
        puzzle = draw_puzzle_of(rng, "train", rng.choice(LEVELS))
        words = Writer(puzzle, rng, style).write()
        assert set(words) <= {*WORDS, "</think>", "<eos>"}
        shown.update(name for name, times in behaviours(" ".join(words)).items() if times)
        right += words[-3] == puzzle.answer
        lengths.append(len(words))
    assert set(shown) == set(behaviours(""))
    assert all(times > 0.05 * 600 for times in shown.values())
    assert 0.45 < right / 600 < 0.65
    assert 70 < sum(lengths) / 600 < 95


def test_what_was_misjudged_is_found_by_a_check_or_begun_anew() -> None:
    """Every clue misjudged: nothing sound is left, and the response ends all the same."""
    style = OrderingStyle(slip=1.0, check=1.0, restart=0, guess=0, early=0)
    for seed in range(60):
        words = Writer(draw_puzzle(random.Random(seed), 3), random.Random(seed), style).write()
        assert words[-1] == "<eos>"
        assert words.count("wait") <= style.most_restarts


def test_practice_rows_look_up_what_they_wrote() -> None:
    rng = random.Random(3)
    for _ in range(200):
        prompt, words = OrderingStyle().draw(Phase.PRACTICE, rng)
        assert "back" not in words
        if words[-1] == "<eos>":
            *_, (order, _) = orders_in(["", *words])
            assert words[-3] == order[int(prompt[-3].removeprefix("who")) - 1]


def test_practice_tries_every_candidate_behind_a_beginning_and_reads_its_clues() -> None:
    rng = random.Random(4)
    for _ in range(100):
        prompt, words = draw_tries(rng)
        puzzle = puzzle_from(Problem("1", " ".join(prompt[1:-1]), None, "exact", "ordering"))
        beginning, *tries = " ".join(words).split(" put ")
        order = beginning.split(" free ")[0].split()[2::2]
        assert [said.split()[0] for said in tries] == [name for name in puzzle.objects if name not in order]
        for said in tries:
            tried = puzzle.put(order, said[0])
            read = [word for clue, verdict in tried.said for word in (clue.word, SAID[verdict])]
            assert said.split() == [tried.name, str(tried.place), *read]


@pytest.mark.parametrize(
    ("text", "habit"),
    [
        ("order 1 E free B C so who1 1 E", "early stop"),
        ("order 1 E 2 C 3 B check E<C ok so who3 3 B", "check"),
        ("order 1 E free B C put B 2 hmm so who1 1 C", "guess"),
        ("order free E B put E 1 wait order free E B put E 1 order 1 E 2 B so who1 1 E", "restart"),
        ("put B 3 B-C no back order 1 E 2 C so who1 1 E", "step back"),
        ("put E 1 E<C ok again E<C ok order 1 E 2 C so who1 1 E", "second reading"),
    ],
)
def test_each_habit_is_counted_from_the_text_alone(text: str, habit: str) -> None:
    assert {name: times for name, times in behaviours(text).items() if times} == {habit: 1}


def test_a_text_of_another_kind_has_no_habits() -> None:
    for text in ("", "so", "order", "so who1 1 E", "free"):
        assert not any(behaviours(text).values())


def test_the_known_best_of_one_problem() -> None:
    """The third place is filled for the first time by B, which is right; the first one by B and by E."""
    best = optimum(EBC.problem())
    assert best.search == len(Writer(EBC, random.Random(0), PLAIN).write()) == 110
    assert [(stop.tokens, stop.right) for stop in best.stops] == [(110, True)]
    first = optimum(Puzzle(EBC.objects, EBC.clues, 1).problem())
    assert [stop.right for stop in first.stops] == [False, False, True, True, True]


@pytest.fixture(scope="module")
def puzzles() -> list[Puzzle]:
    return ordering_puzzles("train", 900, 7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "search", "oracle", "first", "accuracy"),
    [("3", 81, 53, 51, 0.75), ("4", 125, 76, 75, 0.75), ("5", 160, 100, 95, 0.81)],
)
def test_the_price_of_answering_as_soon_as_the_place_is_filled(
    puzzles: list[Puzzle], level: str, search: float, oracle: float, first: float, accuracy: float
) -> None:
    """The reference, which writes a clue in three words where this is one, and lets longer searches in, has 97, 167 and
    205 tokens of search, 59, 86 and 115 of the oracle, and 77, 70 and 78 % for the earliest answer."""
    best = [optimum(p) for p in (puzzle.problem() for puzzle in puzzles) if p.difficulty == level]
    points = frontier(best)
    assert sum(one.search for one in best) / 300 == pytest.approx(search, abs=14)
    assert sum(one.oracle for one in best) / 300 == pytest.approx(oracle, abs=4)
    assert points[0].tokens == pytest.approx(first, abs=10)
    assert points[0].accuracy == pytest.approx(accuracy, abs=0.1)
    assert points[-1].accuracy == 1.0
    assert sorted(p.accuracy for p in points) == [p.accuracy for p in points]
