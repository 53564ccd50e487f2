"""The tables behind the figures, each as data once and shown as HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from tersely.analysis import Point, dominance
from tersely.records import Estimate
from tersely.report.load import Run
from tersely.report.measure import View
from tersely.report.text import markdown_cell
from tersely.terminal import visible

Cell = str | int | float | Estimate | None

CURVES = ("accuracy", "reward", "length", "length_correct", "length_wrong", "truncated", "kl", "entropy",
          "clip_fraction", "grad_norm", "unjudged")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """``kind`` says how a value is shown: text, whole, tokens, count, percent, points (with the unit), change
    (points without it), reach (points either way), ratio, seconds or small."""

    key: str
    title: str
    kind: str = "text"


CHANGE = Column("accuracy_difference", "Change to base, points", "change")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values (shares in [0, 1], tokens, counts); only showing them rounds."""

    name: str
    """File name under tables/, without ending."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def shown(self) -> list[list[str]]:
        return [[show(cell, column.kind) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]

    def to_csv(self) -> str:
        """Full precision, an estimate as four columns; text that a spreadsheet would run as a formula is disarmed."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        estimates = [any(isinstance(row[i], Estimate) for row in self.rows) for i in range(len(self.columns))]
        header: list[str] = []
        for column, wide in zip(self.columns, estimates, strict=True):
            header += [column.key + end for end in ("", "_low", "_high", "_n")] if wide else [column.key]
        writer.writerow(header)
        for row in self.rows:
            writer.writerow([value for cell, wide in zip(row, estimates, strict=True) for value in _flat(cell, wide)])
        return out.getvalue()

    def to_markdown(self) -> str:
        head = "| " + " | ".join(markdown_cell(column.title) for column in self.columns) + " |"
        rule = "|" + "|".join("---" if column.kind == "text" else "---:" for column in self.columns) + "|"
        body = ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in self.shown()]
        return "\n".join([head, rule, *body])


def show(cell: Cell, kind: str, interval: bool = True) -> str:
    """A value as people read it: "57.3 % [55.0, 59.6]"; a dash where there is none."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return visible(cell)
    if not isinstance(cell, Estimate):
        return _number(float(cell), kind) + _unit(kind)
    text = _number(cell.value, kind) + _unit(kind)
    if not interval or cell.low is None or cell.high is None:
        return text
    return f"{text} [{_number(cell.low, kind)}, {_number(cell.high, kind)}]"


def overview(view: View) -> Table:
    """The table of the page: what was spent, saved, gained and lost. Columns that say nothing here are left out."""
    largest = _largest_k(view)
    picked: list[tuple[Column, list[Cell]]] = [
        (Column("model", "Model"), [e.label for e in view.entries]),
        (Column("tokens", "Tokens", "tokens"), [e.overall("tokens") for e in view.entries]),
        (Column("token_saving", "Tokens saved", "percent"), [e.gain("token_saving") for e in view.entries]),
        (Column("accuracy", "Accuracy", "percent"), [e.overall("accuracy") for e in view.entries]),
        (CHANGE, [e.gain("accuracy_difference") for e in view.entries]),
        (Column("truncated", "Truncated", "percent"), [e.overall("truncated") for e in view.entries]),
    ]
    if largest > 1:
        passes: list[Cell] = [e.overall("pass_at_k", largest) for e in view.entries]
        picked.insert(5, (Column("pass_at_k", f"pass@{largest}", "percent"), passes))
    if view.many_seeds:
        picked.insert(1, (Column("seeds", "Seeds", "whole"), [len(e.results) for e in view.entries]))
    rows = tuple(zip(*(values for _, values in picked), strict=True))
    return Table("overview", "Every model, all problems", tuple(column for column, _ in picked), rows)


def details(view: View) -> Table:
    names = ("tokens_correct", "tokens_wrong", "no_answer", "unjudged")
    titles = ("Tokens when correct", "Tokens when wrong", "No answer", "Could not be judged")
    kinds = ("tokens", "tokens", "percent", "percent")
    columns = tuple(Column(n, t, k) for n, t, k in zip(names, titles, kinds, strict=True))
    passes = sorted({k for e in view.entries for r in e.results for k in r.evaluation.summary.overall.pass_at_k})
    columns += tuple(Column(f"pass_at_{k}", f"pass@{k}", "percent") for k in passes)
    rows = [
        (e.label, *(e.overall(name) for name in names), *(e.overall("pass_at_k", k) for k in passes))
        for e in view.entries
    ]
    return Table("details", "More about every model", (Column("model", "Model"), *columns), tuple(rows))


def saving_by_difficulty(view: View) -> Table:
    rows = [(d, e.label, e.at(d, "tokens"), e.gain("token_saving", d)) for d in view.difficulties for e in view.entries]
    columns = (
        Column("difficulty", "Difficulty"),
        Column("model", "Model"),
        Column("tokens", "Tokens", "tokens"),
        Column("token_saving", "Tokens saved", "percent"),
    )
    return Table("saving_by_difficulty", "Tokens by difficulty", columns, tuple(rows))


def accuracy_by_difficulty(view: View) -> Table:
    rows = [
        (d, e.label, e.at(d, "accuracy"), e.gain("accuracy_difference", d))
        for d in view.difficulties
        for e in view.entries
    ]
    columns = (
        Column("difficulty", "Difficulty"),
        Column("model", "Model"),
        Column("accuracy", "Accuracy", "percent"),
        CHANGE,
    )
    return Table("accuracy_by_difficulty", "Accuracy by difficulty", columns, tuple(rows))


def behaviours(view: View) -> Table:
    columns = (Column("model", "Model"), *(Column(b, b.capitalize(), "count") for b in view.behaviours))
    rows = [(e.label, *(e.overall("behaviours", b) for b in view.behaviours)) for e in view.entries]
    return Table("behaviours", "Phrases a response", columns, tuple(rows))


def behaviours_by_difficulty(view: View) -> Table:
    columns = (
        Column("difficulty", "Difficulty"),
        Column("model", "Model"),
        Column("checks", "Checks (verification + backtracking)", "count"),
        *(Column(b, b.capitalize(), "count") for b in view.behaviours),
    )
    rows = [
        (d, e.label, e.checks(d), *(e.at(d, "behaviours", b) for b in view.behaviours))
        for d in view.difficulties
        for e in view.entries
    ]
    return Table("behaviours_by_difficulty", "Phrases a response by difficulty", columns, tuple(rows))


def frontier(view: View) -> Table:
    """Who is dominated by whom, on values and beyond intervals."""
    points = []
    for entry in view.entries:
        tokens, accuracy = entry.overall("tokens"), entry.overall("accuracy")
        if tokens is not None and accuracy is not None:
            points.append(Point(entry.label, tokens, accuracy))
    rows = tuple(
        (point.name, point.tokens, point.accuracy, ", ".join(found.by) or "none", ", ".join(found.clearly_by) or "none")
        for point, found in zip(points, dominance(points), strict=True)
    )
    columns = (
        Column("model", "Model"),
        Column("tokens", "Tokens", "tokens"),
        Column("accuracy", "Accuracy", "percent"),
        Column("dominated_by", "Dominated by"),
        Column("clearly_dominated_by", "Dominated beyond the intervals by"),
    )
    return Table("frontier", "The tokens-accuracy plane", columns, rows)


def seeds(view: View) -> Table:
    """Every seed by itself; its interval is the one over problems."""
    rows: list[tuple[Cell, ...]] = []
    for entry in view.entries:
        for result in entry.results:
            block, paired = result.evaluation.summary.overall, result.versus and result.versus.overall
            saving, change = (paired.token_saving, paired.accuracy_difference) if paired else (None, None)
            rows.append((entry.label, result.run.name, result.seed, block.tokens, saving, block.accuracy, change))
    columns = (
        Column("model", "Model"),
        Column("run", "Run"),
        Column("seed", "Seed"),
        Column("tokens", "Tokens", "tokens"),
        Column("token_saving", "Tokens saved", "percent"),
        Column("accuracy", "Accuracy", "percent"),
        CHANGE,
    )
    return Table("seeds", "Every run by itself", columns, tuple(rows))


def curves(runs: tuple[tuple[str, Run], ...], most: int | None = None) -> Table:
    """The journal, a row a step; with ``most`` only about that many evenly spaced steps of each run."""
    rows: list[tuple[Cell, ...]] = []
    for label, run in runs:
        last = len(run.journal) - 1
        count = last + 1 if most is None else min(most, last + 1)
        picked = sorted({round(i * last / max(1, count - 1)) for i in range(count)})
        for i in picked:
            line = run.journal[i]
            values = [_scalar(line.get(name)) for name in CURVES]
            rows.append((label, run.name, int(line.get("step", i + 1)), str(line.get("event", "STEP")), *values))
    columns = (
        Column("model", "Model"),
        Column("run", "Run"),
        Column("step", "Step", "whole"),
        Column("event", "Event"),
        *(Column(name, name.replace("_", " ").capitalize(), "small") for name in CURVES),
    )
    return Table("curves", "Training, step by step", columns, tuple(rows))


def cost(runs: tuple[tuple[str, Run], ...]) -> Table:
    """Seconds by phase and sampled tokens of each training run, summed over its clock and journal."""
    phases = ("sample_s", "judge_s", "reference_s", "update_s", "save_s", "step_s")
    rows = [
        (
            label,
            run.name,
            len(run.journal),
            *(_total(run.clock, phase) for phase in phases),
            _total(run.journal, "response_tokens"),
        )
        for label, run in runs
    ]
    titles = ("Sampling", "Judging", "Reference", "Updates", "Saving", "All steps")
    columns = (
        Column("model", "Model"),
        Column("run", "Run"),
        Column("steps", "Steps", "whole"),
        *(Column(phase, title, "seconds") for phase, title in zip(phases, titles, strict=True)),
        Column("response_tokens", "Tokens sampled", "whole"),
    )
    return Table("cost", "What training took", columns, tuple(rows))


def _flat(cell: Cell, wide: bool) -> list[str | int | float | None]:
    if isinstance(cell, Estimate):
        return [cell.value, cell.low, cell.high, cell.n]
    value = _disarmed(cell) if isinstance(cell, str) else cell
    return [value, None, None, None] if wide else [value]


def _disarmed(text: str) -> str:
    """Spreadsheets run cells that begin with one of these; an apostrophe before them makes them text."""
    clean = visible(text)
    return "'" + clean if clean.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r", "\n") else clean


def _number(value: float, kind: str) -> str:
    if kind == "percent":
        return _minus(f"{value * 100:.1f}")
    if kind in ("points", "change"):
        shown = _minus(f"{value * 100:+.1f}")
        return f"±{shown}" if shown == "0.0" else shown
    if kind == "reach":
        return f"±{abs(value) * 100:.1f}"
    if kind == "whole":
        return f"{value:,.0f}"
    if kind == "ratio":
        return _minus(f"{value:.3f}")
    if kind == "small":
        return _minus(f"{value:.4g}")
    return _minus(f"{value:.2f}" if kind == "count" else f"{value:,.1f}")


def _minus(text: str) -> str:
    """A real minus sign, and no negative zero."""
    return (text.lstrip("+-") if float(text.replace(",", "")) == 0 else text).replace("-", "\u2212")


def _unit(kind: str) -> str:
    return {"percent": "\u00a0%", "points": "\u00a0points", "seconds": "\u00a0s"}.get(kind, "")


def _largest_k(view: View) -> int:
    return max((result.evaluation.summary.k for entry in view.entries for result in entry.results), default=1)


def _scalar(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _total(rows: tuple[dict[str, object], ...], key: str) -> float | None:
    values = [float(row[key]) for row in rows if isinstance(row.get(key), (int, float))]  # type: ignore[arg-type]
    return sum(values) if values else None
