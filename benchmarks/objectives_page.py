"""The page of `benchmarks/objectives.py`, from its records alone: a table, a figure, and what moves the frontier.

    python benchmarks/objectives_page.py      # benchmarks/records/objectives -> benchmarks/results/objectives.md, .png

The paper's family under the same budget is a line in the plane of tokens and accuracy: straight between neighbours, for
each seed its own. A method's *gap* is its accuracy minus the line's at as many tokens; for weights w of the two
neighbours a and b, and the line's slope k, it is the mean over problems of

    (acc - k tok) - (1 - w) (acc_a - k tok_a) - w (acc_b - k tok_b)

so that its interval over problems knows the noise of all three models in both directions (first order: k and w are
taken as they came out). Three seeds are shown one by one; no interval says what a fourth would give (docs/metrics.md).
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from objectives_records import RECORDS, member
from objectives_table import FAMILY, LEFT_OUT, SETTINGS, STEPS_OF_ACOER, TOKENS, Setting
from packed import Records

from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.analysis.intervals import paired_difference
from tersely.page.figure import METADATA, STYLE
from tersely.records import Estimate

RESULTS = Path(__file__).parent / "results"
BY = {"tokens": "sampled tokens", "seconds": "seconds"}
MOVES, BELOW, ALONG, BEYOND, ONE = "above the line", "below the line", "along it", "beyond its ends", "no line yet"


@dataclass(frozen=True, slots=True)
class Measured:
    """One model of one seed, problem by problem."""

    accuracy: Mapping[str, float]
    tokens: Mapping[str, float]

    @property
    def point(self) -> tuple[float, float]:
        """(tokens, accuracy), each the mean over problems."""
        return mean(self.tokens.values()), mean(self.accuracy.values())


def mean(values: Iterable[float]) -> float:
    taken = list(values)
    return math.fsum(taken) / len(taken)


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a method lies from the family's line."""

    seeds: tuple[float | None, ...]
    """One a seed; None where it spends more or fewer tokens than all of the family."""
    pooled: Estimate | None
    """Of the mean over these seeds, over problems; None where one has none."""

    @property
    def words(self) -> str:
        if any(gap is None for gap in self.seeds) or self.pooled is None:
            return BEYOND
        signs = {math.copysign(1.0, gap) for gap in self.seeds if gap}
        if len(signs) != 1 or self.pooled.low is None or self.pooled.high is None:
            return ALONG
        return MOVES if self.pooled.low > 0 else BELOW if self.pooled.high < 0 else ALONG


class Frontier:
    """The records under one budget."""

    def __init__(self, records: Records, by: str) -> None:
        self.records, self.by = records, by
        self.seeds = sorted(records.seeds)
        self._known: dict[tuple[int, str], Measured] = {}

    @property
    def budget(self) -> float:
        return float(self.records.about["budgets"][self.by])

    def step(self, seed: int, setting: Setting) -> int | None:
        """The checkpoint that lies within the budget; None where the run is not finished."""
        steps = self.records.about["steps"].get(f"seed-{seed}/{setting.name}")
        return None if steps is None else int(steps[self.by])

    def measured(self, seed: int, setting: Setting) -> Measured | None:
        """None for a run that is not finished or not measured."""
        step = self.step(seed, setting)
        if step is None or (name := member(setting.name, step)) not in self.records.seeds[seed]:
            return None
        if (seed, name) not in self._known:
            records = [response.record for response in self.records.seeds[seed][name]]
            accuracy, tokens = accuracy_clusters(records), token_clusters(records)
            self._known[seed, name] = Measured(
                {problem: mean(values) for problem, values in accuracy.items()},
                {problem: mean(tokens[problem]) for problem in accuracy},
            )
        return self._known[seed, name]

    def of(self, setting: Setting) -> list[Measured]:
        """Of every seed that is measured."""
        return [found for seed in self.seeds if (found := self.measured(seed, setting)) is not None]

    @cached_property
    def others(self) -> list[Setting]:
        """What is compared with the family, as far as it is measured."""
        return [one for one in SETTINGS if one.method != FAMILY and self.of(one)]

    @cached_property
    def family(self) -> list[Setting]:
        return [one for one in SETTINGS if one.method == FAMILY and len(self.of(one)) == len(self.seeds)]

    def line(self, seed: int) -> list[Measured]:
        """The family by tokens, fewest first."""
        members = [found for one in self.family if (found := self.measured(seed, one)) is not None]
        return sorted(members, key=lambda found: found.point)

    def gap(self, setting: Setting) -> Gap:
        """Points of accuracy, in [-1, 1]."""
        found = [(seed, self.measured(seed, setting)) for seed in self.seeds]
        each = [None if one is None else gap_by_problem(one, self.line(seed)) for seed, one in found]
        values = tuple(None if gap is None else mean(gap.values()) for gap in each)
        known = [gap for gap in each if gap is not None]
        if len(known) < len(each):
            return Gap(values, None)
        common = set.intersection(*(set(gap) for gap in known))
        joint = {problem: [mean([gap[problem] for gap in known])] for problem in sorted(common)}
        zero = {problem: [0.0] for problem in joint}
        return Gap(values, paired_difference(zero, joint, comparisons=len(self.others)))


def gap_by_problem(one: Measured, line: Sequence[Measured]) -> dict[str, float] | None:
    """Problem -> its part in the gap (their mean is the gap); None where ``one`` lies beyond the line's ends."""
    tokens = one.point[0]
    ends = next((p for p in itertools.pairwise(line) if p[0].point[0] <= tokens <= p[1].point[0]), None)
    if ends is None or ends[0].point[0] == ends[1].point[0]:
        return None
    first, last = ends
    (start, low), (end, high) = first.point, last.point
    slope, weight = (high - low) / (end - start), (tokens - start) / (end - start)

    def above(model: Measured, problem: str) -> float:
        return model.accuracy[problem] - slope * model.tokens[problem]

    common = sorted(set(one.accuracy) & set(first.accuracy) & set(last.accuracy))
    return {p: above(one, p) - (1 - weight) * above(first, p) - weight * above(last, p) for p in common}


# ---- words and table


def page(records: Records) -> str:
    """objectives.md."""
    frontiers = [Frontier(records, by) for by in BY]
    parts = [HEAD, facts(records), "![accuracy against tokens](objectives.png)\n"]
    for frontier in frontiers:
        parts += [f"## At matched {BY[frontier.by]}\n", verdicts(frontier), table(frontier)]
    parts += ["## Constants\n", constants()]
    return "\n".join(parts)


HEAD = """# All objectives on the embedded reasoner, at matched compute

Made by `python benchmarks/objectives.py` from the records in benchmarks/records/objectives (`python
benchmarks/objectives_page.py` alone makes the page anew). One task, one model of 128,128 parameters, one learner for
all: what is compared is the reward at its authors' constants scaled to our lengths, not the recipes it was published
with (`dler` apart), and what it says of another model is to be measured there.
"""


def facts(records: Records) -> str:
    about = records.about
    protocol, within = about["protocol"], about["budgets"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(about["versions"].items()))
    seeds = ", ".join(map(str, sorted(records.seeds)))
    asked = f"{protocol['size']} held-out problems x {protocol['k']}, temperature {protocol['temperature']:g}"
    return (
        f"Commit {about['commit'] or 'not said'}; {versions}; {about['machine']}. Seeds {seeds}, each with a base of\n"
        f"its own; {asked}, cap {protocol['max_new_tokens']}. Budgets: {within['tokens']:,.0f} sampled tokens,\n"
        f"{within['seconds']:,.0f} CPU seconds of the training process (one thread). Other work shared the cores, so\n"
        "wall seconds are in the records and nothing is made of them; it stretches CPU seconds too, and how much\n"
        f"differs from run to run ({paces(records)}): read the second table with care. Of each run the last\n"
        "checkpoint within the budget is measured, so what is left of a budget is less than five steps.\n"
    )


def paces(records: Records) -> str:
    """From the slowest whole run to the fastest."""
    ends = {(row["seed"], row["run"]): row for row in records.steps()}
    found = sorted(float(row["tokens"]) / float(row["seconds"]) for row in ends.values())
    return f"{found[0]:,.0f} to {found[-1]:,.0f} sampled tokens a CPU second"


def verdicts(frontier: Frontier) -> str:
    """Which move the frontier and which move along it."""
    if len(frontier.family) < 2:
        return "The paper's family is not measured yet: there is no line to compare with.\n"
    groups: dict[str, list[str]] = {word: [] for word in (MOVES, ALONG, BELOW, BEYOND)}
    for setting in frontier.others:
        groups[frontier.gap(setting).words].append(f"`{setting.name}`")
    told = {
        MOVES: "Move the frontier up: above the paper's line in every seed, and over problems beyond the interval",
        ALONG: "Move along it: not told apart from the line by these seeds and problems",
        BELOW: "Lie below it, in every seed and beyond the interval",
        BEYOND: "Spend more or fewer tokens than the whole family in some seed, so that the line says nothing",
    }
    lines = [f"- {told[word]}: {', '.join(names) or 'none'}." for word, names in groups.items()]
    return "\n".join([*lines, ""])


def table(frontier: Frontier) -> str:
    """Each method with its three seeds."""
    rows = [
        "| method | steps | tokens | accuracy, % | gap to the line, points | over problems | |",
        "|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        found = frontier.of(setting)
        if not found:
            continue
        steps = ", ".join(str(frontier.step(seed, setting)) for seed in frontier.seeds)
        tokens, accuracy = zip(*(one.point for one in found), strict=True)
        cells = [f"`{setting.name}`", steps, three(tokens, 1), three([100 * a for a in accuracy], 1)]
        rows.append("| " + " | ".join([*cells, *gap_cells(frontier, setting)]) + " |")
    count = len(frontier.others)
    rows += [
        "",
        "Mean over seeds (each seed). The interval over problems is for these trained models, other problems, and",
        f"holds for all {count} methods together in 95 %.",
        "",
    ]
    return "\n".join(rows)


def gap_cells(frontier: Frontier, setting: Setting) -> list[str]:
    if setting.method == FAMILY:
        return ["", "", "the line"]
    if len(frontier.family) < 2:
        return ["", "", ONE]
    gap = frontier.gap(setting)
    each = ", ".join("-" if value is None else f"{100 * value:+.1f}" for value in gap.seeds)
    if gap.pooled is None:
        return [each, "", gap.words]
    ends = [gap.pooled.low, gap.pooled.high]
    interval = "" if None in ends else "[" + ", ".join(f"{100 * end:+.1f}" for end in ends if end is not None) + "]"
    return [f"{100 * gap.pooled.value:+.1f} ({each})", interval, gap.words]


def three(values: Sequence[float], digits: int) -> str:
    each = ", ".join(f"{value:.{digits}f}" for value in values)
    return each if len(values) == 1 else f"{mean(values):.{digits}f} ({each})"


def constants() -> str:
    """What was done to the authors' constants, and why."""
    rows = [
        f"Lengths are divided by {TOKENS}: a 1.5B reasoner's responses have 4,770 tokens on average, the embedded",
        f"one's 80 to 92. Steps of `acoer` are divided by {STEPS_OF_ACOER}, as its authors train 1,200. Nothing else",
        "is scaled.",
        LEFT_OUT,
        "",
        "| method | settings | scaled |",
        "|---|---|---|",
    ]
    for one in SETTINGS:
        said = ", ".join(f"`{setting.removeprefix('objective.')}`" for setting in one.settings) or "its defaults"
        rows.append(f"| `{one.name}` | {said} | {one.why} |")
    return "\n".join([*rows, ""])


# ---- figure


def draw(records: Records) -> Figure:
    """Accuracy against tokens under each budget: a mark a method, its seeds hollow, the family a line."""
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(9.8, 6.4), layout="constrained")
        axes = figure.subplots(1, len(BY), sharey=True)
        for place, by in zip(axes, BY, strict=True):
            draw_plane(place, Frontier(records, by))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7)
    return figure


def draw_plane(place: Axes, frontier: Frontier) -> None:
    looks = itertools.cycle(itertools.product("osD^vP", range(10)))
    members = [seed_mean(frontier.of(one)) for one in frontier.family]
    if members:
        place.plot(*zip(*sorted(members), strict=True), color="black", marker=".", label="paper, by alpha", zorder=3)
    for one, (marker, shade) in zip(SETTINGS, looks, strict=False):
        found = frontier.of(one)
        if one.method == FAMILY or not found:
            continue
        color = matplotlib.colormaps["tab10"](shade)
        place.scatter(*seed_mean(found), color=color, marker=marker, s=42, label=one.name, zorder=4)
        tokens, accuracy = zip(*(point_in_percent(model) for model in found), strict=True)
        place.scatter(tokens, accuracy, facecolors="none", edgecolors=[color], marker=marker, s=18, linewidths=0.7)
    place.set_title(f"at {frontier.budget:,.0f} {BY[frontier.by]}", fontsize=9)
    place.set_xlabel("tokens a response")
    place.set_ylabel("accuracy, %")


def seed_mean(found: Sequence[Measured]) -> tuple[float, float]:
    points = [point_in_percent(one) for one in found]
    return mean([tokens for tokens, _ in points]), mean([accuracy for _, accuracy in points])


def point_in_percent(one: Measured) -> tuple[float, float]:
    tokens, accuracy = one.point
    return tokens, 100 * accuracy


def write_page(records: Path, results: Path) -> None:
    """objectives.md and objectives.png into ``results``."""
    found = Records(records)
    results.mkdir(parents=True, exist_ok=True)
    (results / "objectives.md").write_text(page(found), encoding="utf-8")
    draw(found).savefig(results / "objectives.png", dpi=150, metadata=METADATA["png"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    write_page(args.records, args.results)


if __name__ == "__main__":
    main()
