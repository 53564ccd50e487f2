"""What the tables of mixes and of levels are computed by."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import efforts
import mixes
from mixes import Spot

from tersely.tune.mixing import Mixture


def test_a_mix_is_looked_for_under_the_name_that_it_is_made_under() -> None:
    for first, second in mixes.ENDS:
        blends = Mixture(Path(first), Path(second), mixes.WEIGHTS).blends()
        assert [blend.name for blend in blends] == [mixes.mix_name(first, second, w) for w in mixes.WEIGHTS]


def test_a_spot_is_compared_with_the_lines_between_its_neighbours() -> None:
    line = [Spot(20, 90.0), Spot(40, 100.0), Spot(30, 98.0)]
    assert mixes.off_the_line(Spot(25, 95.0), line) == pytest.approx(1.0)
    assert mixes.off_the_line(Spot(35, 98.0), line) == pytest.approx(-1.0)
    assert mixes.off_the_line(Spot(30, 98.5), line) == pytest.approx(0.5)
    assert mixes.off_the_line(Spot(41, 99.0), line) is None


def test_a_run_is_measured_where_it_had_sampled_its_share(tmp_path: Path) -> None:
    lines = ({"step": step, "response_tokens": 10} for step in range(1, efforts.MOST + 1))
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert efforts.sampled(tmp_path) == 10 * efforts.MOST
    assert efforts.sampled(tmp_path, 3) == 30
    assert efforts.matched(tmp_path, 83) == 8
    assert efforts.matched(tmp_path, 10_000) == efforts.MOST
