"""Figures can be read on a phone, hold few lines, and give a method one colour on every page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib.style
import pytest

import fake_runs
from pages import blank_figures
from tersely.page.block import Options
from tersely.page.blocks.training import MOST_LINES, ablations_block, block
from tersely.page.collect import collect
from tersely.page.figure import STYLE, make_looks, render_figure
from tersely.page.records import Role, Who
from tersely.page.render import ENDINGS, write_comparison, write_report

PHONE = 358
"""CSS pixels of a phone's width that a figure gets."""


def member(alpha: float) -> Who:
    return Who(f"α {alpha:g}", Role.FAMILY, "family", alpha, "")


def baseline(method: str) -> Who:
    return Who(method, Role.BASELINE, method, None, "")


def require_readable(svg: str, name: str) -> None:
    """Fits a phone, with no letter below ten pixels there."""
    width = re.search(r'viewBox="0 0 ([\d.]+) ', svg)
    assert width is not None, name
    assert float(width[1]) <= PHONE, name
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", svg)]
    assert sizes, name
    assert min(sizes) * min(1.0, (PHONE - 8) / float(width[1])) >= 10, name


@pytest.mark.slow
def test_no_letter_of_a_figure_is_below_ten_pixels_on_a_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.page.render.ENDINGS", ("svg",))
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.0, 0.2), steps=3)
    page = write_comparison(runs, None, tmp_path / "out")
    figures = sorted((page.parent / "figures").glob("*.svg"))
    for path in figures:
        require_readable(path.read_text(encoding="utf-8"), path.name)
    assert len(figures) == 5  # plane, by alpha, by difficulty, behaviours, training


@pytest.mark.slow
def test_a_figure_is_drawn_in_every_format_and_its_letters_can_be_read_on_a_phone(tmp_path: Path) -> None:
    """One of them; the slow test takes all of a page."""
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=3)
    found = collect(runs)
    with matplotlib.style.context(STYLE):
        made = block(found, Options(looks=make_looks(found.contenders)))
        assert made is not None
        assert made.figure is not None
        files = render_figure(made.figure, ENDINGS)
    assert {ending: file[:4] for ending, file in files.items()} == {"svg": b"<?xm", "pdf": b"%PDF", "png": b"\x89PNG"}
    require_readable(files["svg"].decode(), "training")


def test_a_method_has_one_colour_on_every_page() -> None:
    pages = [
        make_looks([member(0.0), member(0.1), member(0.2), baseline("SFT")]),
        make_looks([member(0.2), member(0.4), baseline("DPO"), baseline("SFT")]),
    ]
    for label in ("α 0.2", "SFT"):
        first, second = (page[label] for page in pages)
        assert (first.color, first.marker) == (second.color, second.marker)


@pytest.mark.slow
def test_a_panel_of_training_curves_holds_at_most_six_lines(tmp_path: Path) -> None:
    base = fake_runs.make_base(tmp_path)
    extras = [{"normalize": "group"}, {"normalize": "batch"}, {"averaging": "token"}, {"averaging": "constant"},
              {"kl": "off"}, {"kl": "loss"}, {"samples": "4"}]  # fmt: skip
    runs = [fake_runs.make_run(tmp_path, base, 0.2, seed=seed, steps=4) for seed in (0, 1)]
    runs += [fake_runs.make_run(tmp_path, base, 0.2, steps=4, **extra) for extra in extras]
    found = collect(runs, variants=False)
    with matplotlib.style.context(STYLE):
        options = Options(looks=make_looks(found.contenders))
        for made, settings in ((block(found, options), 1), (ablations_block(found, options), len(extras))):
            assert made is not None
            assert made.figure is not None
            groups = [[axes for axes in part.axes if axes.lines] for part in made.figure.subfigs]
            assert sum(len(axes[0].lines) for axes in groups) == settings
            assert all(len(panel.lines) <= MOST_LINES for axes in groups for panel in axes)


@pytest.mark.slow
def test_a_run_whose_method_has_no_alpha_is_named_by_method_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.0, 0.2), steps=3)
    for number, scale in enumerate((1, 2)):
        run = fake_runs.make_run(tmp_path, base, 0.1, seed=number, steps=3, method="mine.py:Shortest")
        path = run / "config.json"
        document = json.loads(path.read_text())
        document["config"]["objective"].update(alpha=None, settings={"scale": scale})
        path.write_text(json.dumps(document))
        runs.append(run)
    page = write_report(runs, base, tmp_path / "out")
    rows = (page.parent / "tables" / "overview_arithmetic.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["base", "α 0", "α 0.2", "Shortest", "Shortest (scale 2)"]
    assert (page.parent / "figures" / "training.svg").is_file()
