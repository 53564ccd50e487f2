"""The paper's own published tables, so that its claims can be read with the same eyes as our runs.

They hold no intervals (a ± over three seeds whose kind is not said), so nothing here has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from tersely.analysis.aggregate import aes, mean_of_ratios
from tersely.errors import require_known
from tersely.page.block import Block
from tersely.page.blocks.aggregate import table as aggregate_table
from tersely.page.blocks.frontier import plane_block
from tersely.page.blocks.overview import MOST
from tersely.page.blocks.ratios import ratio_block
from tersely.page.blocks.sets import sets_block
from tersely.page.figure import Looks
from tersely.page.message import ALPHA, Message
from tersely.page.records import Role
from tersely.page.standings import Plane, Spot, Standing, aggregate_plane, choose
from tersely.page.table import MODEL, Cell, Column, Table, show
from tersely.records import Estimate

METHOD = "published without an interval"
BASE = "distilled model"


def read_published(scale: str) -> dict[str, Any]:
    """The tables of one scale, "1.5b" or "7b", with ``note`` and ``paper``; an unknown scale is a UserError."""
    text = (resources.files("tersely.page") / "published.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    require_known("published scale", scale, document["scales"])
    return {"note": document["note"], "paper": document["paper"], **document["scales"][scale]}


def published_standings(tables: Mapping[str, Any], reference: str = BASE) -> tuple[Standing, ...]:
    """Ratios to the reference on each set and their unweighted mean, computed from the tables by set.

    What the source gives only as an aggregate (O1-Pruner, the instruct model) stands with it and without sets.
    """
    against = next(row for row in tables["rows"] if row["label"] == reference)
    found = [_standing(row, against, tables["sets"]) for row in tables["rows"] if row is not against]
    for row in tables["aggregate_only"] if reference == BASE else ():
        who = (row["label"], Role(row["role"]), row["series"], None, "")
        score = plain(aes(row["accuracy"], row["tokens"]))
        found.append(Standing(*who, plain(row["accuracy"]), plain(row["tokens"]), score, {}))
    return tuple(found)


def published_planes(tables: Mapping[str, Any]) -> tuple[Plane, ...]:
    """The aggregate first, then every data set."""
    planes = [aggregate_plane(published_standings(tables), len(tables["sets"]), BASE, intervals=False)]
    for name in tables["sets"]:
        spots = tuple(
            Spot(row["label"], Role(row["role"]), row["series"], row["alpha"], "",
                 plain(row["sets"][name]["tokens"]), plain(row["sets"][name]["accuracy"]))
            for row in tables["rows"]
        )  # fmt: skip
        planes.append(Plane(name, f"Accuracy against tokens on {name}", spots, intervals=False))
    return tuple(planes)


def published_message(source: Mapping[str, Any]) -> Message:
    """The same rule and the same reference as for our own runs."""
    best, given_up = choose([s for s in published_standings(source, "α 0") if s.role is Role.FAMILY])
    assert best is not None
    own = next(s for s in published_standings(source) if s.label == best.label)
    parts = [
        f"{show(1 - s.tokens.value, 'percent')} of the tokens saved, {show(s.accuracy.value, 'percent')} of the "
        f"accuracy kept" for s in (best, own)
    ]  # fmt: skip
    headline = f"{source['title']} as published: against α 0, the same training without length pressure, {parts[0]}"
    lead = (f"This is {best.label}. {ALPHA}", f"Against the {BASE}: {parts[1]}.", given_up, source["note"])
    return Message(f"{headline} at {best.label}", tuple(s for s in lead if s), (_agreement(source),), best.label)


def _agreement(source: Mapping[str, Any]) -> str:
    """Whether the mean of ratios computed from the tables by set is the one that was printed."""
    mine = {s.label: s for s in published_standings(source)}
    rows = [(row, mine[row["label"]]) for row in source["aggregate"] if row["label"] in mine]
    if not rows:
        return "The aggregate of this scale was only plotted, so it is computed here from the tables by data set."
    apart = [max(abs(s.accuracy.value - row["accuracy"]), abs(s.tokens.value - row["tokens"])) for row, s in rows]
    return (
        f"The aggregate computed here from the tables by data set differs from the printed one by at most "
        f"{max(apart):.4f}, on average by {mean_of_ratios(apart):.4f}."
    )


def published_blocks(source: Mapping[str, Any], looks: Looks) -> list[Block]:
    found = published_standings(source)
    more = [sets_block(found, source["sets"], looks), ratio_block(found, source["sets"], looks)]
    printed = Block("printed", "As it was printed", tables=(_printed(source), *map(_further, source["further"])))
    first, *planes = [plane_block(plane, looks) for plane in published_planes(source)]
    picked = tuple(place for place, s in enumerate(found) if s.role in (Role.FAMILY, Role.BASELINE))[:MOST]
    head = replace(aggregate_table(found, len(source["sets"])), picked=picked)
    first = replace(first, tables=(head, *first.tables))
    return [first, *planes, *(block for block in more if block is not None), printed]


def plain(value: float) -> Estimate:
    """A number as it was printed."""
    return Estimate(float(value), None, None, 0, METHOD)


def _standing(row: Mapping[str, Any], base: Mapping[str, Any], names: list[str]) -> Standing:
    def ratio(name: str, key: str) -> float:
        return float(row["sets"][name][key] / base["sets"][name][key])

    sets = {name: (plain(ratio(name, "accuracy")), plain(ratio(name, "tokens"))) for name in names}
    accuracy, tokens = (mean_of_ratios([pair[i].value for pair in sets.values()]) for i in (0, 1))
    who = (row["label"], Role(row["role"]), row["series"], row["alpha"], "")
    return Standing(*who, plain(accuracy), plain(tokens), plain(aes(accuracy, tokens)), sets)


def _printed(source: Mapping[str, Any]) -> Table:
    columns = (MODEL, Column("source", "Source"), Column("dataset", "Data set"),
               Column("accuracy", "Accuracy", "ratio"), Column("accuracy_spread", "± as printed", "ratio"),
               Column("tokens", "Tokens", "whole"), Column("tokens_spread", "± as printed", "whole"))  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for row in source["rows"]:
        rows += [(row["label"], row["source"], name, cell["accuracy"], cell.get("accuracy_spread"), cell["tokens"],
                  cell.get("tokens_spread")) for name, cell in row["sets"].items()]  # fmt: skip
    for row in [*source["aggregate"], *source["aggregate_only"]]:
        rows.append((row["label"], row["source"], "aggregate (ratios)", row["accuracy"], None, row["tokens"], None))
    return Table("printed", "Every number by data set", columns, tuple(rows))


def _further(table: Mapping[str, Any]) -> Table:
    numeric = [all(isinstance(row[i], int | float) for row in table["rows"]) for i in range(len(table["columns"]))]
    kinds = ["small" if number and place else "text" for place, number in enumerate(numeric)]
    columns = tuple(
        Column(title.replace(" ", "_"), title, kind) for title, kind in zip(table["columns"], kinds, strict=True)
    )
    rows = tuple(
        tuple(str(c) if kind == "text" else c for c, kind in zip(r, kinds, strict=True)) for r in table["rows"]
    )
    return Table(f"published_{table['name']}", f"{table['title']} ({table['source']})", columns, rows)
