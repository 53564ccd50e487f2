"""The paper's own published tables, read with the same eyes as our runs; the source prints no intervals."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from tersely.analysis.aggregate import aes, mean_of_ratios
from tersely.errors import require_known
from tersely.page.block import Block, Options, file_name
from tersely.page.blocks import frontier, overview, ratios
from tersely.page.figure import make_looks
from tersely.page.message import Message
from tersely.page.records import Comparison, Role
from tersely.page.standings import PRINTED, Plane, Spot, Standing, aggregate_plane, choose
from tersely.page.words import columns, say, table
from tersely.records import Estimate
from tersely.table import Column, Table, show


def read_published(scale: str) -> dict[str, Any]:
    """The tables of one scale, "1.5b" or "7b", with ``note`` and ``paper``; an unknown scale is a UserError."""
    text = (resources.files("tersely.page") / "published.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    require_known("published scale", scale, document["scales"])
    return {"note": document["note"], "paper": document["paper"], **document["scales"][scale]}


def published_standings(tables: Mapping[str, Any], reference: str = "base") -> tuple[Standing, ...]:
    """Ratios to the reference on each set and their mean, from the tables by set; some the source only aggregates."""
    against = next(row for row in tables["rows"] if row["label"] == reference)
    found = []
    for row in (row for row in tables["rows"] if row is not against):
        pairs = [(row["sets"][name], against["sets"][name]) for name in tables["sets"]]
        accuracy, tokens = ([mine[key] / base[key] for mine, base in pairs] for key in ("accuracy", "tokens"))
        by_set = {name: (plain(a), plain(t)) for name, a, t in zip(tables["sets"], accuracy, tokens, strict=True)}
        found.append(_standing(row, mean_of_ratios(accuracy), mean_of_ratios(tokens), by_set))
    lone = tables["aggregate_only"] if reference == "base" else ()
    return (*found, *(_standing(row, row["accuracy"], row["tokens"], {}) for row in lone))


def _who(row: Mapping[str, Any]) -> tuple[str, Role, str, float | None, str]:
    return row["label"], Role(row["role"]), row["series"], row.get("alpha"), ""


def _standing(row: Mapping[str, Any], accuracy: float, tokens: float, by_set: Mapping[str, Any]) -> Standing:
    return Standing(*_who(row), plain(accuracy), plain(tokens), plain(aes(accuracy, tokens)), by_set)


def plain(value: float) -> Estimate:
    """A number as it was printed."""
    return Estimate(float(value), None, None, 0, PRINTED)


def published_planes(tables: Mapping[str, Any]) -> tuple[Plane, ...]:
    """The aggregate first, then every data set."""
    planes = [aggregate_plane(published_standings(tables), len(tables["sets"]))]
    for name in tables["sets"]:
        cells = [(_who(row), row["sets"][name]) for row in tables["rows"]]
        spots = tuple(Spot(*who, plain(cell["accuracy"]), plain(cell["tokens"])) for who, cell in cells)
        planes.append(Plane(f"plane_{file_name(name)}", f"Accuracy against tokens on {name}", spots))
    return tuple(planes)


def published_message(source: Mapping[str, Any]) -> Message:
    """The same rule and the same reference as for our own runs."""
    best, given_up = choose([s for s in published_standings(source, "α 0") if s.role is Role.FAMILY])
    own = {s.label: s for s in published_standings(source)}
    assert best is not None
    shares = [(show(1 - s.tokens.value, "percent"), show(s.accuracy.value, "percent")) for s in (best, own[best.label])]
    first, second = (say("published.gained", saving=saved, kept=kept) for saved, kept in shares)
    about = {"title": source["title"], "label": best.label, "free": say("message.free"), "gained": first}
    headline = say("published.headline", **about)
    against = say("published.against", gained=second)
    lead = (f"This is {best.label}. {say('message.alpha')}", against, given_up, source["note"])
    return Message(headline, tuple(s for s in lead if s), (_agreement(source, own),), best.label)


def _agreement(source: Mapping[str, Any], mine: Mapping[str, Standing]) -> str:
    """Whether the mean of ratios computed from the tables by set is the one that was printed."""
    rows = [(row, mine[row["label"]]) for row in source["aggregate"] if row["label"] in mine]
    if not rows:
        return say("published.only_plotted")
    apart = [max(abs(s.accuracy.value - row["accuracy"]), abs(s.tokens.value - row["tokens"])) for row, s in rows]
    return say("published.agreement", most=max(apart), mean=mean_of_ratios(apart))


def published_blocks(source: Mapping[str, Any]) -> list[Block]:
    """Those of our own pages that need no runs, and the tables as they were printed."""
    planes, comparison = published_planes(source), Comparison((), (), {}, tuple(source["sets"]))
    looks = make_looks({s.label: s for plane in planes for s in plane.spots}.values(), comparison.datasets)
    options = Options(looks=looks, found=published_standings(source))
    trained = tuple(i for i, s in enumerate(options.found) if s.role in (Role.FAMILY, Role.BASELINE))[: overview.MOST]
    made = [
        frontier.aggregate_block(comparison, options, trained),
        *(frontier.plane_block(p, looks) for p in planes[1:]),
    ]
    made += [frontier.sets_block(comparison, options), ratios.block(comparison, options)]
    rows = [(row, name, cell) for row in source["rows"] for name, cell in row["sets"].items()]
    rows += [(row, "aggregate (ratios)", row) for row in [*source["aggregate"], *source["aggregate_only"]]]
    keys = [column.key for column in columns("printed")[3:]]
    tables = [table("printed", [(row["label"], row["source"], name, *map(cell.get, keys)) for row, name, cell in rows])]
    for given in source["further"]:
        declared = tuple(Column(title.replace(" ", "_"), title, kind) for title, kind in given["columns"].items())
        title = f"{given['title']} ({given['source']})"
        tables.append(Table(f"published_{given['name']}", title, declared, tuple(map(tuple, given["rows"]))))
    printed = Block("printed", "As it was printed", tables=tuple(tables))
    return [block for block in (*made, printed) if block is not None]
