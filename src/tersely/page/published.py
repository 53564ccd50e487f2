"""The paper's own published tables, so that its claims can be read with the same eyes as our runs.

They hold no intervals (a ± over three seeds whose kind is not said), so nothing here has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from tersely.analysis.aggregate import aes, mean_of_ratios
from tersely.errors import require_known
from tersely.page.block import Block, file_name
from tersely.page.blocks.aggregate import aggregate_block
from tersely.page.blocks.frontier import plane_block
from tersely.page.blocks.overview import MOST
from tersely.page.blocks.ratios import ratio_block
from tersely.page.blocks.sets import sets_block
from tersely.page.columns import DATASET, MODEL
from tersely.page.figure import make_looks
from tersely.page.message import Message
from tersely.page.records import Role
from tersely.page.standings import Plane, Spot, Standing, aggregate_plane, choose
from tersely.page.words import say
from tersely.records import Estimate
from tersely.table import Cell, Column, Table, show

METHOD = "published without an interval"
BASE = "distilled model"
PRINTED = (
    MODEL, Column("source", "Source"), DATASET,
    Column("accuracy", "Accuracy", "ratio"), Column("accuracy_spread", "± as printed", "ratio"),
    Column("tokens", "Tokens", "whole"), Column("tokens_spread", "± as printed", "whole"),
)  # fmt: skip


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
    found = []
    for row in (row for row in tables["rows"] if row is not against):
        pairs = [(row["sets"][name], against["sets"][name]) for name in tables["sets"]]
        ratios = [tuple(mine[key] / base[key] for key in ("accuracy", "tokens")) for mine, base in pairs]
        sets = {name: (plain(a), plain(t)) for name, (a, t) in zip(tables["sets"], ratios, strict=True)}
        accuracy, tokens = (mean_of_ratios(parts) for parts in zip(*ratios, strict=True))
        found.append(_standing(row, accuracy, tokens, sets))
    lone = tables["aggregate_only"] if reference == BASE else ()
    return (*found, *(_standing(row, row["accuracy"], row["tokens"], {}) for row in lone))


def _who(row: Mapping[str, Any]) -> tuple[str, Role, str, float | None, str]:
    return row["label"], Role(row["role"]), row["series"], row.get("alpha"), ""


def _standing(row: Mapping[str, Any], accuracy: float, tokens: float, sets: Mapping[str, Any]) -> Standing:
    return Standing(*_who(row), plain(accuracy), plain(tokens), plain(aes(accuracy, tokens)), sets)


def plain(value: float) -> Estimate:
    """A number as it was printed."""
    return Estimate(float(value), None, None, 0, METHOD)


def published_planes(tables: Mapping[str, Any]) -> tuple[Plane, ...]:
    """The aggregate first, then every data set."""
    planes = [aggregate_plane(published_standings(tables), len(tables["sets"]), BASE, intervals=False)]
    for name in tables["sets"]:
        cells = [(_who(row), row["sets"][name]) for row in tables["rows"]]
        spots = tuple(Spot(*who, plain(cell["accuracy"]), plain(cell["tokens"])) for who, cell in cells)
        planes.append(Plane(f"plane_{file_name(name)}", f"Accuracy against tokens on {name}", spots, intervals=False))
    return tuple(planes)


def published_message(source: Mapping[str, Any]) -> Message:
    """The same rule and the same reference as for our own runs."""
    best, given_up = choose([s for s in published_standings(source, "α 0") if s.role is Role.FAMILY])
    assert best is not None
    own = next(s for s in published_standings(source) if s.label == best.label)
    first, second = (
        say("published.gained", saving=show(1 - s.tokens.value, "percent"), kept=show(s.accuracy.value, "percent"))
        for s in (best, own)
    )
    free, alpha = say("message.free"), say("message.alpha")
    headline = say("published.headline", title=source["title"], free=free, gained=first, label=best.label)
    lead = (f"This is {best.label}. {alpha}", f"Against the {BASE}: {second}.", given_up, source["note"])
    return Message(headline, tuple(s for s in lead if s), (_agreement(source),), best.label)


def _agreement(source: Mapping[str, Any]) -> str:
    """Whether the mean of ratios computed from the tables by set is the one that was printed."""
    mine = {s.label: s for s in published_standings(source)}
    rows = [(row, mine[row["label"]]) for row in source["aggregate"] if row["label"] in mine]
    if not rows:
        return say("published.only_plotted")
    apart = [max(abs(s.accuracy.value - row["accuracy"]), abs(s.tokens.value - row["tokens"])) for row, s in rows]
    return say("published.agreement", most=max(apart), mean=mean_of_ratios(apart))


def published_blocks(source: Mapping[str, Any]) -> list[Block]:
    found, (whole, *planes), sets = published_standings(source), published_planes(source), source["sets"]
    looks = make_looks({s.label: s for plane in (whole, *planes) for s in plane.spots}.values(), sets)
    picked = tuple(place for place, s in enumerate(found) if s.role in (Role.FAMILY, Role.BASELINE))[:MOST]
    first = aggregate_block(whole, found, len(sets), picked, looks)
    more = [sets_block(found, sets, looks, BASE), ratio_block(found, sets, looks)]
    printed = Block("printed", "As it was printed", tables=(_printed(source), *map(_further, source["further"])))
    return [first, *(plane_block(plane, looks) for plane in planes), *(block for block in more if block), printed]


def _printed(source: Mapping[str, Any]) -> Table:
    rows = [(row, name, cell) for row in source["rows"] for name, cell in row["sets"].items()]
    rows += [(row, "aggregate (ratios)", row) for row in [*source["aggregate"], *source["aggregate_only"]]]
    keys = [column.key for column in PRINTED[3:]]
    cells = tuple((row["label"], row["source"], name, *map(cell.get, keys)) for row, name, cell in rows)
    return Table("printed", "Every number by data set", PRINTED, cells)


def _further(table: Mapping[str, Any]) -> Table:
    columns = []
    for place, title in enumerate(table["columns"]):
        number = place > 0 and all(isinstance(row[place], int | float) for row in table["rows"])
        columns.append(Column(title.replace(" ", "_"), title, "small" if number else "text"))
    rows: list[tuple[Cell, ...]] = [
        tuple(str(cell) if column.kind == "text" else cell for cell, column in zip(row, columns, strict=True))
        for row in table["rows"]
    ]
    return Table(f"published_{table['name']}", f"{table['title']} ({table['source']})", tuple(columns), tuple(rows))
