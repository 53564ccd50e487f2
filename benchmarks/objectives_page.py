"""The page of `benchmarks/objectives.py`, from its records alone: a table, a figure, and what moves the frontier.

`python benchmarks/objectives_page.py` makes benchmarks/results/objectives.md and objectives.png from
benchmarks/records/objectives.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from objectives_frontier import ALONG, BELOW, BEYOND, LOST, MISSING, MOVES, Frontier, Measured, lost_steps, mean
from objectives_records import RECORDS
from objectives_table import FAMILY, LEFT_OUT, SETTINGS, STEPS_OF_ACOER, TOKENS, Setting
from packed import Records

from tersely.page.figure import METADATA, STYLE

RESULTS = Path(__file__).parent / "results"
BY = {"tokens": "sampled tokens", "seconds": "seconds"}
ONE = "no line yet"
FIRST, SAME = "paper-0", "hapo"

# ---- words and table


def page(records: Records) -> str:
    """objectives.md."""
    frontiers = [Frontier(records, by) for by in BY]
    parts = [HEAD, facts(records), *losses(records), "![accuracy against tokens](objectives.png)\n"]
    for frontier in frontiers:
        parts += [
            f"## At matched {BY[frontier.by]}\n",
            *care(records, frontier.by),
            verdicts(frontier),
            table(frontier),
        ]
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


def losses(records: Records) -> list[str]:
    """One paragraph on the runs that lost their model; none where none did."""
    told = [
        f"`{name}` lost its model on seed {seed}: its training accuracy first fell below half of what it began with in "
        f"step {step}, and ended below it."
        for (seed, name), step in sorted(lost_steps(records).items())
    ]
    rest = (
        "A lost model answers with next to no tokens, so no budget was taken from it; it is measured and listed like\n"
        "any other, and left out of the figure, whose scale it would spoil, where it was lost within the budget.\n"
    )
    return ["\n".join([*told, rest])] if told else []


def pace_of_runs(records: Records) -> dict[tuple[int, str], float]:
    """(seed, run) -> sampled tokens a CPU second of the whole run, of those that kept their model."""
    ends, lost = {(int(row["seed"]), row["run"]): row for row in records.steps()}, lost_steps(records)
    return {key: float(row["tokens"]) / float(row["seconds"]) for key, row in ends.items() if key not in lost}


def paces(records: Records) -> str:
    """From the slowest whole run that kept its model to the fastest."""
    found = sorted(pace_of_runs(records).values())
    if not found:
        return "no run kept its model"
    return f"{found[0]:,.0f} to {found[-1]:,.0f} sampled tokens a CPU second"


def care(records: Records, by: str) -> list[str]:
    """What is to be known before the table of seconds is read: two methods do the same work here."""
    found = pace_of_runs(records)
    ratios = [
        found[seed, SAME] / found[seed, FIRST] for seed in records.seeds if {(seed, SAME), (seed, FIRST)} <= set(found)
    ]
    if by != "seconds" or not ratios:
        return []
    return [
        f"`{SAME}` goes by a problem's earlier answers, and here each problem comes once: it does the work of\n"
        f"`{FIRST}`. It went at {min(ratios):.2f} to {max(ratios):.2f} of its pace, by what else ran on the cores.\n"
        "**So nothing is concluded from this table**: the verdicts are what the rule gives.\n"
    ]


def verdicts(frontier: Frontier) -> str:
    """Which move the frontier and which move along it."""
    if len(frontier.family) < 2:
        return "The paper's family is not measured yet: there is no line to compare with.\n"
    groups: dict[str, list[str]] = {word: [] for word in (MOVES, ALONG, BELOW, BEYOND, LOST, MISSING)}
    for setting in frontier.others:
        groups[frontier.gap(setting).words].append(f"`{setting.name}`")
    told = {
        MOVES: "Move the frontier up: above the paper's line in every seed, and over problems beyond the interval",
        ALONG: "Move along it: not told apart from the line by these seeds and problems",
        BELOW: "Lie below it, in every seed and beyond the interval",
        BEYOND: "Spend more or fewer tokens than the whole family in some seed, so that the line says nothing",
        LOST: "Lose the model in some seed, so that there is no trade of accuracy for tokens to speak of",
        MISSING: "Not measured in every seed yet",
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
        return ["", "", LOST if frontier.is_lost(setting) else "the line"]
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
        if one.method == FAMILY or not found or frontier.is_lost(one):
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
