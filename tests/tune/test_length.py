"""A length is met from just below, by problems enough to tell, unless a shorter model is surely the better one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.records import Problem
from tersely.tune.choice import LENGTH_PROBLEMS, NEAR, Choice, Shelf, choose
from tersely.tune.measured import Measured
from tersely.tune.split import Sets
from tersely.tune.target import Target

SPREAD = 0.45
"""Of the tokens from problem to problem, as a share of their mean: about what it is on the embedded task."""
SCREENED = 400


class World(Shelf):
    """Models of known length and accuracy; weights in between lie in between. Measured on as many problems as said."""

    def __init__(self, truth: Mapping[str, tuple[float, float]], seed: int = 0) -> None:
        self.truth, self.rng = dict(truth), np.random.default_rng(seed)
        self.asked: list[str] = []
        problems = [Problem(id=f"{n:04}", question="q", answer="1", kind="math", source="s") for n in range(2400)]
        nothing: Any = None
        super().__init__(nothing, Sets([], problems[:SCREENED], problems, []), [self.draw(m, SCREENED) for m in truth])

    def draw(self, member: str, problems: int) -> Measured:
        tokens, accuracy = self.truth[member]
        lengths_P = np.maximum(1, np.round(self.rng.normal(tokens, SPREAD * tokens, problems))).astype(int)
        right_P = self.rng.random(problems) < accuracy
        rows = tuple((int(n),) for n in lengths_P)
        return Measured(member, 0, None, tuple(int(r) for r in right_P), (1,) * problems, rows)

    def tested(self, member: str) -> Measured:
        self.asked.append(member)
        return self.draw(member, LENGTH_PROBLEMS)

    def add(self, one: str, other: str, weight: float) -> str | None:
        blend = self.blends[one].towards(self.blends[other], weight)
        if blend.name in self.blends:
            return None
        (a, right_a), (b, right_b) = self.truth[one], self.truth[other]
        self.truth[blend.name] = ((1 - weight) * a + weight * b, (1 - weight) * right_a + weight * right_b)
        self.blends[blend.name] = blend
        self.measured.append(self.draw(blend.name, SCREENED))
        return blend.name


def asked(world: World, tokens: float, quantile: float | None = None) -> Choice:
    return choose(world, Target(tokens=tokens, quantile=quantile), False, 0.95)


FALLING = {"base": (70.0, 0.99), "step-000020": (50.0, 0.98), "step-000040": (30.0, 0.95), "step-000060": (25.0, 0.9)}


@pytest.mark.slow
@given(tokens=st.floats(26, 65), seed=st.integers(0, 10_000))
def test_the_length_found_is_near_to_the_one_asked_for(tokens: float, seed: int) -> None:
    found = asked(World(FALLING, seed), tokens)
    assert found.met
    assert found.length is not None
    assert found.length <= tokens


@pytest.mark.slow
def test_in_nine_of_ten_draws_it_is_truly_within_five_percent() -> None:
    off = []
    for seed in range(200):
        world = World(FALLING, seed)
        off.append(world.truth[asked(world, 40).member][0] / 40 - 1)
    assert np.mean(np.abs(off) <= 0.05) >= 0.95
    assert np.mean(np.array(off) > 0) < 0.25


@pytest.mark.parametrize(("better", "kept"), [(0.15, False), (-0.05, True)])
def test_a_shorter_one_is_taken_where_it_is_surely_more_accurate(better: float, kept: bool) -> None:
    """A base that reinforcement learning lifts: between it and the first checkpoint lies nothing worth its tokens."""
    world = World({"base": (70.0, 0.8), "step-000010": (28.0, 0.8 + better)})
    found = asked(world, 37)
    assert (found.member != "step-000010") is kept
    assert found.met


@pytest.mark.slow
def test_of_checkpoints_alike_in_accuracy_the_one_nearest_to_the_length() -> None:
    """Whichever screening made the best of them by chance."""
    alike = {f"step-{n:06}": (25.0 + n, 0.985) for n in range(0, 20, 2)}
    found = [asked(World({"base": (70.0, 0.99), **alike}, seed), 40).length or 0 for seed in range(40)]
    assert max(found) <= 40
    # One in twenty is taken for surely better by chance.
    assert np.mean(np.array(found) >= 0.95 * 40) >= 0.85


def test_what_screening_took_for_longer_may_be_short_enough() -> None:
    world = World(FALLING)
    world.truth["step-000020"] = (38.9, 0.98)  # The screening problems made it 50.
    assert asked(world, 39.7).member == "step-000020"
    assert world.asked[0] == "step-000020"


def test_what_screening_took_for_longer_and_is_far_too_short_is_mixed_with_the_one_before() -> None:
    world = World(FALLING)
    world.truth["step-000020"] = (33.0, 0.98)
    found = asked(world, 39.5)
    assert found.member not in FALLING
    assert found.length is not None
    assert 0.95 * 39.5 <= found.length <= 39.5


def test_a_share_is_saved_of_what_the_base_needs_on_the_problems_of_the_test() -> None:
    """Screening problems that are easier than those of the test make the base short: half of it would be less."""
    world = World(FALLING)
    world.truth |= {"base": (77.0, 0.99)}
    found = choose(world, Target(save=0.5), False, 0.95)
    assert found.met
    assert found.length is not None
    assert 0.95 * 77 / 2 <= found.length <= 1.03 * 77 / 2


def test_weights_that_turn_out_shorter_than_what_is_there_are_not_taken() -> None:
    world = World({"base": (70.0, 0.99), "step-000040": (30.0, 0.95)})

    class Sagging(dict[str, tuple[float, float]]):
        def __getitem__(self, name: str) -> tuple[float, float]:
            return super().__getitem__(name) if name in ("base", "step-000040") else (20.0, 0.95)

    world.truth = Sagging(world.truth)
    assert asked(world, 34).member == "step-000040"


def test_none_is_short_enough() -> None:
    found = asked(World(FALLING), 20)
    assert (found.met, found.member, found.problems) == (False, "step-000060", LENGTH_PROBLEMS)
    assert found.length == pytest.approx(25, rel=NEAR)


def test_at_a_quantile() -> None:
    world = World(FALLING)
    found = asked(world, 70, quantile=0.95)
    assert found.met
    assert found.length is not None
    assert (1 - NEAR) * 70 <= found.length <= 70
