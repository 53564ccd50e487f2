"""What the journal saw: for every setting the running mean over its seeds, and the range of the seeds behind it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tersely.page.block import Block, Options
from tersely.page.figure import SOFT, WIDTH, Looks, from_zero, legend_below
from tersely.page.records import Comparison, Contender, Role
from tersely.page.words import TABLES, columns, say, table
from tersely.table import Cell, Table
from tersely.text import shorten_line

SHOWN_STEPS, SMOOTHING, MOST_LINES = 9, 5, 6
CURVES = tuple(TABLES["curves_training"]["panels"])


def block(comparison: Comparison, options: Options, ablations: bool = False) -> Block | None:
    """The family and the baselines; or the departures apart: their lines could not be told from the family's."""
    roles = (Role.ABLATION,) if ablations else (Role.FAMILY, Role.BASELINE)
    everyone = [c for c in comparison.contenders if c.role in roles and not c.mark]
    trained = [c for c in everyone if any(run.journal for run in c.runs)]
    if not trained:
        return None
    name, title = ("training_ablations", "Training, the ablations") if ablations else ("training", "Training")
    caption = say("training.caption", smoothing=SMOOTHING, most=MOST_LINES)
    return Block(name, title, (), _draw(trained, options.looks), caption, (_table(f"curves_{name}", trained),))


ablations_block = partial(block, ablations=True)


def _draw(trained: Sequence[Contender], looks: Looks) -> Figure:
    """Six settings at a time: one group has all panels, several have the two that matter."""
    groups = [trained[i : i + MOST_LINES] for i in range(0, len(trained), MOST_LINES)]
    curves = CURVES if len(groups) == 1 else CURVES[:2]
    rows = (len(curves) + 1) // 2
    figure = Figure(figsize=(WIDTH, (0.7 + 1.75 * rows) * len(groups)), layout="constrained")
    parts: Any = figure.subfigures(len(groups), 1, squeeze=False).ravel()
    for part, group in zip(parts, groups, strict=True):
        panels = part.subplots(rows, 2).ravel()
        for axes, curve in zip(panels, curves, strict=False):
            _panel(axes, group, looks, curve)
        for axes in panels[len(curves) :]:
            axes.axis("off")
        legend_below(part, panels[0])
    return figure


def _panel(axes: Axes, group: Sequence[Contender], looks: Looks, curve: Sequence[Any]) -> None:
    key, title, scale, zero = curve
    for contender in group:
        by_step: dict[int, list[float]] = {}
        for step in (step for run in contender.runs for step in run.journal):
            if (value := getattr(step, key)) is not None:
                by_step.setdefault(step.step, []).append(value * scale)
        steps, look = sorted(by_step), looks[contender.label]
        low, mean, high = (_running([float(of(by_step[step])) for step in steps]) for of in (min, np.mean, max))
        if len(contender.runs) > 1 and steps:
            axes.fill_between(steps, low, high, color=look.color, alpha=0.13, linewidth=0)
        axes.plot(steps, mean, color=look.color, linewidth=1.8, linestyle=look.line,
                  label=shorten_line(contender.label, 36))  # fmt: skip
    from_zero(axes, title, zero)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    if not any(np.size(line.get_xdata()) for line in axes.lines):
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=SOFT)


def _running(values: Sequence[float]) -> list[float]:
    """Centred mean over ``SMOOTHING`` steps, over fewer at the ends."""
    half = SMOOTHING // 2
    return [float(np.mean(values[max(0, i - half) : i + half + 1])) for i in range(len(values))]


def _table(name: str, trained: Sequence[Contender]) -> Table:
    """The journal, a row a step; the page shows about ``SHOWN_STEPS`` evenly spaced ones of each run."""
    keys = [column.key for column in columns("curves_training")[2:]]
    rows: list[tuple[Cell, ...]] = []
    picked: list[int] = []
    for label, run in ((c.label, run) for c in trained for run in c.runs):
        last = len(run.journal) - 1
        count = min(SHOWN_STEPS, last + 1)
        picked += sorted({len(rows) + round(i * last / max(1, count - 1)) for i in range(count)})
        for step in run.journal:
            values = [getattr(step, key) for key in keys]
            said = [v.lower().replace("_", " ") if isinstance(v, str) else v for v in values]
            rows.append((label, run.name, *said))
    return replace(table("curves_training", rows, tuple(picked)), name=name)
