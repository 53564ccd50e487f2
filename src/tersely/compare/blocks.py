"""The parts of the page in their order: each a figure or none, the words under it and the tables behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from tersely.compare import figures, tables
from tersely.compare.ablations import ablations
from tersely.compare.behaviours import (
    behaviour_tables,
    chosen_view,
    told,
    unmeasured,
    view_of,
)
from tersely.compare.cost import matched, paybacks
from tersely.compare.published import published_planes, published_standings
from tersely.compare.records import Comparison, Plane, Role
from tersely.compare.standings import RULE, Standing, aggregate_plane, apart, plane_of
from tersely.compare.subset import start_of
from tersely.compare.words import matched_sentences, payback_sentence, plane_sentence, prompts_sentence
from tersely.records import Unit
from tersely.report import figures as report_figures
from tersely.report import tables as report_tables
from tersely.report.measure import View
from tersely.report.style import Look
from tersely.report.tables import Cell, Column, Table, show
from tersely.report.text import slug

SHOWN_STEPS = 9
Looks = Mapping[str, Look]


@dataclass(frozen=True, slots=True)
class Block:
    """One part of the page. Tables in ``tables`` stand open, those in ``folded`` behind a line to click."""

    name: str
    title: str
    words: tuple[str, ...] = ()
    figure: Figure | None = None
    caption: str = ""
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()


def comparison_blocks(
    comparison: Comparison, found: Sequence[Standing], looks: Looks, price: float | None, gpu_hour: float | None
) -> list[Block]:
    count = len(comparison.datasets)
    blocks = []
    main = [s for s in found if s.role is not Role.ABLATION or not apart(comparison)]
    if found and count > 1:
        blocks.append(_plane_block(aggregate_plane(main, count), looks, (tables.aggregate_table(main, count),)))
    for dataset in comparison.datasets:
        overview = _of(report_tables.overview(_main(comparison, dataset)), dataset)
        blocks.append(_plane_block(plane_of(comparison, dataset), looks, (overview,)))
    blocks += _ratio_blocks(found, comparison.datasets, looks)
    for dataset in (d for d in comparison.datasets if _has_steps(comparison, d)):
        blocks += [_dynamics_block(comparison, dataset, looks), _trajectory_block(comparison, dataset, looks)]
    blocks += _training_blocks(comparison, looks)
    blocks += [b for d in comparison.datasets for b in _adaptivity_blocks(comparison, d, looks)]
    blocks += [_behaviour_block(comparison, d, found, looks) for d in comparison.datasets]
    blocks += _ablation_block(comparison)
    blocks += _cost_blocks(comparison, found, price, gpu_hour)
    blocks += _reference_block(comparison)
    return [_named(block) for block in blocks]


def published_blocks(source: Mapping[str, Any], looks: Looks) -> list[Block]:
    found = published_standings(source)
    blocks = []
    for plane in published_planes(source):
        shown = (tables.aggregate_table(found, len(source["sets"])),) if plane.normalised else ()
        block = _plane_block(plane, looks, shown)
        blocks.append(replace(block, words=(*block.words, plane_sentence(plane))))
    blocks += _ratio_blocks(found, source["sets"], looks)
    blocks.append(Block("printed", "As it was printed", tables=(_printed(source),)))
    blocks.append(Block("further", "Further published tables", tables=tuple(map(_further, source["further"]))))
    return [_named(block) for block in blocks]


def _plane_block(plane: Plane, looks: Looks, shown: tuple[Table, ...]) -> Block:
    several = any(spot.seeds for spot in plane.spots)
    over = f" over {Unit.SEEDS}" if any(spot.tokens.unit is Unit.SEEDS for spot in plane.spots) else ""
    bars = (
        f"Bars are 95 % intervals{over}." if plane.intervals else "The source prints no intervals, so none are drawn."
    )
    if several:
        bars = f"Small hollow marks are single seeds, the large mark their mean, thin bars 95 % intervals{over}."
    far = [f"{s.label} ({show(s.accuracy.value, 'percent')})" for s in figures.below_view(plane)]
    caption = (
        f"Each mark is one model; the diamond is the base, the dotted line joins the family. {bars} Up and to the left "
        "is better: fewer tokens, more right answers."
    )
    if any(s.role is Role.BASELINE and " lr " in s.label for s in plane.spots):
        caption += " What stands beside a baseline is its learning rate, beside a cutoff its limit in tokens."
    if far:
        caption += f" Below the frame, by accuracy: {', '.join(far)}."
    table = tables.plane_table(plane)
    return Block(
        f"plane_{plane.name}", plane.title, (), figures.frontier(plane, looks), caption, shown, (table,)
    )  # fmt: skip


def _ratio_blocks(found: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> list[Block]:
    family = [s for s in found if s.role is Role.FAMILY and s.sets]
    if not found:
        return []
    table = tables.ratio_table(found, datasets)
    more = (table,) if len(datasets) > 1 else (tables.aggregate_table(found, 1), table)
    figure = figures.by_alpha(found, datasets, looks) if len(family) > 1 else None
    caption = "Ratios to the base along the family; the line at 1 is the base. Accuracy does not start at 0."
    return [Block("by_alpha", "Normalised by the base, by alpha", (), figure, caption if figure else "", (), more)]


def _has_steps(comparison: Comparison, dataset: str) -> bool:
    return any(dataset in entries for line in comparison.checkpoints for entries in line.steps.values())


def _dynamics_block(comparison: Comparison, dataset: str, looks: Looks) -> Block:
    figure = figures.dynamics(dataset, comparison.checkpoints, start_of(comparison, dataset), looks)
    caption = (
        "Evaluated checkpoints on held-out problems; iteration 0 is the base on the same problems. Bars are 95 % "
        "intervals."
    )
    table = tables.dynamics_table(comparison, dataset)
    return Block(f"dynamics_{dataset}", f"Training dynamics on {dataset}", (), figure, caption, (), (table,))


def _main(comparison: Comparison, dataset: str) -> View:
    """Everything that stands on the frontier's page: departures have tables of their own."""
    roles = [role for role in Role if role is not Role.ABLATION or not apart(comparison)]
    return view_of(comparison, dataset, roles)


def _trajectory_block(comparison: Comparison, dataset: str, looks: Looks) -> Block:
    figure = figures.trajectory(dataset, comparison.checkpoints, start_of(comparison, dataset), looks)
    caption = (
        "One line an alpha, from the base (diamond) over the evaluated checkpoints (hollow) to the last (filled), on "
        "the same problems. The numbers are those of the training dynamics, where the intervals stand."
    )
    return Block(f"trajectory_{dataset}", f"Where training goes on {dataset}", (), figure, caption)


def _behaviour_block(comparison: Comparison, dataset: str, found: Sequence[Standing], looks: Looks) -> Block:
    view, chosen = told(comparison, dataset), chosen_view(comparison, dataset, found)
    words = (
        "Phrases are counted a response; tokens after the first right answer over correct responses, from where their "
        "text first states it; loops are responses that run in circles; spreads are over the correct responses to one "
        "problem, averaged over problems that have two. Intervals over few seeds may reach below 0.",
        *unmeasured(view),
    )
    departures = view_of(comparison, dataset, [Role.ABLATION])
    folded = [] if chosen is None else behaviour_tables(chosen, "", dataset, by_difficulty=True)
    folded += behaviour_tables(departures, "_of_ablations", dataset) if departures.entries else []
    counted = chosen is not None and chosen.behaviours
    figure = report_figures.checks_by_difficulty(chosen, dict(looks)) if chosen is not None and counted else None
    caption = "Phrases a response by difficulty, the base and the best of the family. Bars are 95 % intervals."
    return Block(f"behaviours_{dataset}", f"What the responses do on {dataset}", words, figure,
                 caption if figure else "", tuple(behaviour_tables(view, "", dataset)), tuple(folded))  # fmt: skip


def _training_blocks(comparison: Comparison, looks: Looks) -> list[Block]:
    """The family and its departures apart: together their lines could not be told from each other."""
    both = (("training", "Training, the family", Role.FAMILY),
            ("training_ablations", "Training, the ablations", Role.ABLATION))  # fmt: skip
    return [block for name, title, role in both for block in _training_block(comparison, looks, name, title, role)]


def _training_block(comparison: Comparison, looks: Looks, name: str, title: str, role: Role) -> list[Block]:
    trained = [c for c in comparison.contenders if c.role is role and not c.mark]
    runs = tuple((c.label, run) for c in trained for run in c.runs if run.journal)
    if not runs:
        return []
    dataset = next(iter(trained[0].entries))
    view = _narrowed(comparison.view(dataset), {c.label for c in trained})
    caption = (
        "Thin lines are single steps of single runs, thick lines running means over the seeds of a model. Measured on "
        "the training problems at the training temperature."
    )
    table = replace(report_tables.curves(runs, SHOWN_STEPS), name=f"curves_{name}")
    return [Block(name, title, (), report_figures.curves(view, dict(looks)), caption, (), (table,))]


def _adaptivity_blocks(comparison: Comparison, dataset: str, looks: Looks) -> list[Block]:
    labels = {c.label for c in comparison.contenders if c.role is Role.FAMILY and not c.mark}
    whole = comparison.view(dataset)
    view = _narrowed(whole, labels)
    if len(view.difficulties) < 2 or not any(e.gain("token_saving") is not None for e in view.trained):
        return []
    every = told(comparison, dataset)
    caption = "Share of the base's tokens saved on the same problems, by difficulty. Bars are 95 % intervals."
    return [
        Block(f"adaptivity_{dataset}", f"Where tokens are saved on {dataset}", (),
              report_figures.saving_by_difficulty(view, dict(looks)), caption, (),
              (_of(report_tables.saving_by_difficulty(every), dataset),
               _of(report_tables.accuracy_by_difficulty(every), dataset)))
    ]  # fmt: skip


def _narrowed(view: View, labels: set[str]) -> View:
    return replace(view, entries=tuple(e for e in view.entries if e.label in labels))


def _ablation_block(comparison: Comparison) -> list[Block]:
    found = ablations(comparison)
    if not found:
        return []
    dataset = comparison.datasets[0]
    here = [a for a in found if a.dataset == dataset]
    figure = figures.ablations(here) if here else None
    caption = f"On {dataset}, each against the family's member of the same alpha, paired by seed and problem."
    return [
        Block("ablations", "Ablations", (), figure, caption, (), (tables.ablation_table(found), *_departed(comparison)))
    ]


def _departed(comparison: Comparison) -> list[Table]:
    """Tokens and accuracy of the departures as they are, where the frontier leaves them out."""
    if not apart(comparison):
        return []
    found = []
    for dataset in comparison.datasets:
        view = view_of(comparison, dataset, [Role.ABLATION])
        if view.entries:
            table = report_tables.overview(view)
            found.append(replace(table, name=f"ablations_overview_{dataset}", title=f"Ablations, {dataset}"))
    return found


def _cost_blocks(
    comparison: Comparison, found: Sequence[Standing], price: float | None, gpu_hour: float | None
) -> list[Block]:
    cost = tables.cost_table(comparison)
    equal, paid = matched(comparison, found), paybacks(comparison, price, gpu_hour)
    words = tuple(matched_sentences(equal)) if equal else (
        "Fewer than two trained methods recorded what they cost, so nothing can be matched on a budget.",
    )  # fmt: skip
    blocks = []
    if cost.rows:
        shown = (tables.matched_table(equal), cost) if equal else (cost,)
        words = (*words, RULE, *prompts_sentence(comparison))
        blocks.append(Block("matched", "Matched on training tokens and on wall time", words, tables=shown))
    if paid:
        said = [payback_sentence(paid), _currencies(price, gpu_hour)]
        blocks.append(Block("payback", "When training has paid for itself", tuple(s for s in said if s),
                            tables=(tables.payback_table(paid),)))  # fmt: skip
    return blocks


def _currencies(price: float | None, gpu_hour: float | None) -> str:
    text = (
        "In tokens: tokens sampled and trained on, each counting one, over tokens saved a query. In seconds: wall time "
        "over tokens saved times the seconds a token took to sample in training. Cutoffs and prompts train nothing."
    )
    if price is None:
        return f"{text} Give --price, and --gpu-hour, for money."
    paid = f"wall hours at {gpu_hour:g}" if gpu_hour is not None else "training tokens at the same price"
    return f"{text} In money: {paid}, over tokens saved at {price:g} a million."


def _reference_block(comparison: Comparison) -> list[Block]:
    made = [tables.references(comparison, dataset) for dataset in comparison.datasets]
    shown = [table for table in (*made, tables.noise_table(comparison)) if table is not None]
    if not shown:
        return []
    words = (
        "Best of k needs to know the right answer, so it is an upper bound; the majority does not. Both cost all k "
        "responses. A difference below the noise floor is no difference.",
    )
    return [Block("references", "References: several responses, and the noise floor", words, tables=tuple(shown))]


def _printed(source: Mapping[str, Any]) -> Table:
    columns = [Column("model", "Model"), Column("source", "Source"), Column("dataset", "Data set"),
               Column("accuracy", "Accuracy", "ratio"), Column("accuracy_spread", "± as printed", "ratio"),
               Column("tokens", "Tokens", "whole"), Column("tokens_spread", "± as printed", "whole")]  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for row in source["rows"]:
        for name, cell in row["sets"].items():
            rows.append((row["label"], row["source"], name, cell["accuracy"], cell.get("accuracy_spread"),
                         cell["tokens"], cell.get("tokens_spread")))  # fmt: skip
    for row in [*source["aggregate"], *source["aggregate_only"]]:
        rows.append((row["label"], row["source"], "aggregate (ratios)", row["accuracy"], None, row["tokens"], None))
    return Table("printed", "Every number by data set", tuple(columns), tuple(rows))


def _further(table: Mapping[str, Any]) -> Table:
    columns = []
    for place, title in enumerate(table["columns"]):
        numeric = all(isinstance(row[place], int | float) for row in table["rows"])
        columns.append(Column(title.replace(" ", "_"), title, "small" if numeric and place else "text"))
    rows = tuple(tuple(str(c) if k.kind == "text" else c for c, k in zip(r, columns, strict=True))
                 for r in table["rows"])  # fmt: skip
    return Table(f"published_{table['name']}", f"{table['title']} ({table['source']})", tuple(columns), rows)


def _of(table: Table, dataset: str) -> Table:
    return replace(table, name=f"{table.name}_{dataset}", title=f"{table.title}, {dataset}")


def _named(block: Block) -> Block:
    """Names that are file names and ids at once."""
    shown, folded = ([replace(t, name=_plain(t.name)) for t in each] for each in (block.tables, block.folded))
    return replace(block, name=_plain(block.name), tables=tuple(shown), folded=tuple(folded))


def _plain(name: str) -> str:
    return slug(name).replace("-", "_")
