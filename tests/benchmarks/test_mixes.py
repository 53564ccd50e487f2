"""What the tables of mixes and of levels are computed by."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import efforts
import mixes
from packed import Records

from tersely.tune.measured import Measured
from tersely.tune.mixing import Mixture


def test_a_mix_is_looked_for_under_the_name_that_it_is_made_under() -> None:
    for first, second in mixes.ENDS:
        blends = Mixture(Path(first), Path(second), mixes.WEIGHTS).blends()
        assert [blend.name for blend in blends] == [mixes.mix_name(first, second, w) for w in mixes.WEIGHTS]


def model(tokens: int, right: int) -> Measured:
    """100 problems, so many of them right, all of one length."""
    rights = tuple(int(n < right) for n in range(100))
    return Measured("m", 0, None, rights, (1,) * 100, ((tokens,),) * 100)


def test_a_mix_is_compared_with_the_lines_between_its_neighbours() -> None:
    line = [model(20, 90), model(40, 100), model(30, 98)]
    gaps = [mixes.above(model(tokens, right), line) for tokens, right in ((25, 95), (35, 98), (30, 98))]
    assert [gap and gap.value for gap in gaps] == pytest.approx([0.01, -0.01, 0.0])
    assert gaps[0] is not None
    assert gaps[0].low is not None
    assert gaps[0].low < 0.01
    assert mixes.above(model(41, 99), line) is None


@pytest.mark.slow
def test_the_tables_are_those_of_their_records() -> None:
    found = Records(mixes.RECORDS, mixes.MIXES)
    assert mixes.RESULT.read_text(encoding="utf-8") == mixes.page(found, mixes.seeds_of(found))
    assert efforts.RESULT.read_text(encoding="utf-8") == efforts.page(Records(efforts.EFFORTS))


def test_a_run_is_measured_where_it_had_sampled_its_share(tmp_path: Path) -> None:
    lines = ({"step": step, "response_tokens": 10} for step in range(1, efforts.MOST + 1))
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert efforts.sampled(tmp_path) == 10 * efforts.MOST
    assert efforts.sampled(tmp_path, 3) == 30
    assert efforts.matched(tmp_path, 83) == 8
    assert efforts.matched(tmp_path, 10_000) == efforts.MOST
