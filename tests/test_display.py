"""Progress where there is no terminal, as in a file or a notebook: a line a step, with the time that is left."""

from __future__ import annotations

import sys

import pytest

from tersely.display import Pace, PlainDisplay, RichDisplay, SilentDisplay, make_display


def test_a_line_a_step_says_how_long_the_rest_will_take(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([100.0, 160.0, 200.0, 230.0])
    with PlainDisplay("alpha 0.1", now=lambda: next(times)) as display:
        for step in (1, 2, 3, 4):
            display.step(step, 4, {"tokens": "12"})
    assert capsys.readouterr().err.splitlines() == [
        "alpha 0.1: 1/4  tokens 12",
        "alpha 0.1: 2/4  tokens 12  about 2 min left",
        "alpha 0.1: 3/4  tokens 12  about 50 s left",
        "alpha 0.1: 4/4  tokens 12",
    ]


def test_a_resumed_run_is_measured_from_where_it_goes_on_and_a_second_one_anew() -> None:
    pace = Pace()
    assert pace.left(51, 100, 0.0) == ""
    assert pace.left(52, 100, 600.0) == "about 8.0 h left"
    assert pace.left(1, 100, 700.0) == ""
    assert pace.left(2, 100, 701.0) == "about 2 min left"


def test_several_steps_at_once_count_as_many() -> None:
    pace = Pace()
    pace.left(256, 1024, 0.0)
    assert pace.left(512, 1024, 10.0) == "about 20 s left"


def test_bars_are_for_terminals_and_only_the_first_process_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    for on_terminal, kind in ((True, RichDisplay), (False, PlainDisplay)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda found=on_terminal: found)
        assert type(make_display("x")) is kind
    monkeypatch.setenv("RANK", "1")
    assert type(make_display("x")) is SilentDisplay
