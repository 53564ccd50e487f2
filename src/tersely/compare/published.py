"""The paper's own published tables, so that its claims can be read with the same eyes as our runs.

They hold no intervals (a ± over three seeds whose kind is not said), so nothing here has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from tersely.analysis.aggregate import aes, mean_of_ratios
from tersely.compare.records import Plane, Role, Spot
from tersely.compare.standings import Standing, aggregate_plane
from tersely.errors import require_known
from tersely.records import Estimate

METHOD = "published without an interval"


def read_published(scale: str) -> dict[str, Any]:
    """The tables of one scale, "1.5b" or "7b", with ``note`` and ``paper``; an unknown scale is a UserError."""
    text = (resources.files("tersely.compare") / "published.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    require_known("published scale", scale, document["scales"])
    return {"note": document["note"], "paper": document["paper"], **document["scales"][scale]}


def published_standings(tables: Mapping[str, Any]) -> tuple[Standing, ...]:
    """Ratios to the distilled model on each set and their unweighted mean, computed from the tables by set.

    What the source gives only as an aggregate (O1-Pruner, the instruct model) stands with it and without sets.
    """
    base = next(row for row in tables["rows"] if row["role"] == Role.BASE)
    found = [_standing(row, base, tables["sets"]) for row in tables["rows"] if row is not base]
    for row in tables["aggregate_only"]:
        accuracy, tokens = plain(row["accuracy"]), plain(row["tokens"])
        score = plain(aes(accuracy.value, tokens.value))
        found.append(Standing(row["label"], Role(row["role"]), row["series"], None, accuracy, tokens, score, {}))
    return tuple(found)


def published_planes(tables: Mapping[str, Any]) -> tuple[Plane, ...]:
    """The aggregate first, then every data set."""
    whole = aggregate_plane(published_standings(tables), len(tables["sets"]), "distilled model", intervals=False)
    planes = [whole]
    for name in tables["sets"]:
        spots = tuple(
            Spot(row["label"], Role(row["role"]), row["series"], row["alpha"],
                 plain(row["sets"][name]["tokens"]), plain(row["sets"][name]["accuracy"]))
            for row in tables["rows"]
        )  # fmt: skip
        planes.append(Plane(name, f"Accuracy against tokens on {name}", spots, intervals=False))
    return tuple(planes)


def plain(value: float) -> Estimate:
    """A number as it was printed."""
    return Estimate(float(value), None, None, 0, METHOD)


def _standing(row: Mapping[str, Any], base: Mapping[str, Any], names: list[str]) -> Standing:
    def ratio(name: str, key: str) -> float:
        return float(row["sets"][name][key] / base["sets"][name][key])

    sets = {name: (plain(ratio(name, "accuracy")), plain(ratio(name, "tokens"))) for name in names}
    accuracy = mean_of_ratios([pair[0].value for pair in sets.values()])
    tokens = mean_of_ratios([pair[1].value for pair in sets.values()])
    score = plain(aes(accuracy, tokens))
    return Standing(
        row["label"], Role(row["role"]), row["series"], row["alpha"], plain(accuracy), plain(tokens), score, sets
    )
