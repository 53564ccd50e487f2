"""The path of alpha: a pure function of what was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.tune.measured import Point
from tersely.tune.path import LAST_ALPHA, PathSettings, Phase, stand_after

LOSS = PathSettings(steps=100, loss=0.01)
TOKENS = PathSettings(steps=100)


def seen(changes: dict[int, float], tokens: float = 50.0) -> list[Point]:
    """Measurements at these steps."""
    return [Point(f"step-{step:06d}", step, tokens, change, 0.0, 0.0) for step, change in changes.items()]


def alphas(settings: PathSettings, points: list[Point], steps: int, tokens: float | None = None) -> list[float]:
    return [stand_after(settings, points, step - 1, tokens).alpha for step in range(1, steps + 1)]


def test_a_ramp_rises_by_five_thousandths_a_step() -> None:
    found = alphas(LOSS, seen(dict.fromkeys(range(5, 101, 5), 0.0)), 100)
    assert found == pytest.approx([0.005 * step for step in range(1, 101)])
    assert PathSettings(steps=200).rate == 0.0025
    assert (PathSettings(steps=100).every, PathSettings(steps=20).every, PathSettings(steps=7).every) == (5, 1, 1)


def test_two_in_a_row_below_the_floor_cut_and_hold_then_the_ramp_goes_on_more_slowly() -> None:
    """Floor 1 point, margin .5: -.6 at step 30 and 35. Cut at 35 (.175): .0525 for 20 steps; then from .105."""
    points = seen(
        {**dict.fromkeys(range(5, 30, 5), 0.0), 30: -0.006, 35: -0.006, 40: -0.004, 45: -0.003, 50: 0.0, 55: 0.0}
    )
    found = alphas(LOSS, points, 60)
    assert found[34] == pytest.approx(0.175)
    assert found[35:55] == pytest.approx([0.0525] * 20)
    assert found[55:60] == pytest.approx([0.105 + 0.0025 * i for i in range(5)])


def test_one_dip_alone_turns_nothing() -> None:
    points = seen({5: 0.0, 10: -0.2, 15: 0.0, 20: -0.2, 25: 0.0})
    assert alphas(LOSS, points, 30) == pytest.approx([0.005 * step for step in range(1, 31)])


def test_still_below_it_is_cut_deeper_and_held_ten_more() -> None:
    points = seen(dict.fromkeys(range(5, 41, 5), -0.006))
    found = alphas(LOSS, points, 45)
    assert found[10:30] == pytest.approx([0.015] * 20)  # cut at 10 from .05
    assert found[30:40] == pytest.approx([0.0075] * 10)
    assert found[40] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("changes", "step", "why"),
    [
        ({5: -0.05, 10: -0.05, 15: -0.05, 20: -0.05}, 20, "does not come back"),
        ({5: -0.006, 10: -0.006, **dict.fromkeys(range(15, 31, 5), 0.0), 35: -0.006, 40: -0.006}, 40, "second time"),
    ],
)
def test_the_run_is_over_where_nothing_more_is_to_come(changes: dict[int, float], step: int, why: str) -> None:
    points = seen(changes)
    assert stand_after(LOSS, points, step - 1).phase is not Phase.OVER
    assert stand_after(LOSS, points, step).phase is Phase.OVER
    assert why in stand_after(LOSS, points, step + 10).why


def test_a_ramp_for_a_length_is_over_when_it_is_past_it_twice() -> None:
    points = seen({5: 0.0, 10: -0.3, 15: -0.3}, tokens=30.0)
    assert stand_after(TOKENS, points, 9, tokens=35.0).phase is Phase.RAMP
    assert stand_after(TOKENS, points, 10, tokens=35.0).phase is Phase.OVER
    assert stand_after(TOKENS, points, 15, tokens=33.0).phase is Phase.RAMP


def test_an_uncut_ramp_ends_at_a_half_however_long_the_run() -> None:
    for steps in (7, 40, 100, 350):
        assert alphas(PathSettings(steps=steps), [], steps)[-1] == pytest.approx(0.5)


def test_the_margin_follows_the_test_to_come_and_leaves_half_of_what_may_be_lost() -> None:
    assert LOSS.floor(0.0) == pytest.approx(-0.005)
    assert PathSettings(loss=0.03, gate=2400).floor(0.0) == pytest.approx(-0.025)
    assert PathSettings(loss=0.03, gate=400).floor(0.2) == pytest.approx(-0.03 + 0.015)  # 1.65 * .2 / 20 = .0165 > half
    assert PathSettings(loss=0.03, gate=400).floor(0.1) == pytest.approx(-0.03 + 0.00825)


measurements = st.lists(st.tuples(st.floats(-0.2, 0.05), st.floats(10, 90)), min_size=0, max_size=20)


@given(measurements, st.sampled_from([None, 0.01, 0.03]), st.sampled_from([None, 35.0]), st.integers(1, 100))
def test_alpha_of_a_step_knows_nothing_of_what_is_measured_later(
    values: list[tuple[float, float]], loss: float | None, tokens: float | None, step: int
) -> None:
    """So that a run killed anywhere, whose log is cut back, goes on as it would have."""
    settings = PathSettings(steps=100, loss=loss)
    points = [Point("m", 5 * (i + 1), length, change, 0.1, 0.0) for i, (change, length) in enumerate(values)]
    known = [one for one in points if one.step < step]
    whole, cut = (stand_after(settings, some, step - 1, tokens) for some in (points, known))
    assert whole == cut
    assert 0 < whole.alpha <= LAST_ALPHA + 1e-9
