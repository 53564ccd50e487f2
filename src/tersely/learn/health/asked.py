"""What a configuration asks of the health rules: which look, at which threshold, and whether they end the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError, nearest
from tersely.learn import health
from tersely.learn.health.rule import Rule

OFF, WARN, STOP = "off", "warn", "stop"
WORDS = (OFF, WARN, STOP)


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule at work. Example: ``Asked("kl", HEALTH["kl"], 0.5, stops=True)``."""

    name: str
    rule: Rule
    threshold: float
    stops: bool


def asked(settings: Mapping[str, Any]) -> list[Asked]:
    """The rules that look on under these settings (the section ``health``), ours first.

    UserError for an unknown rule and for a value that is neither a threshold of it nor one of ``WORDS``.
    """
    given = dict(_flat(settings))
    names = dict.fromkeys([*health.HEALTH, *given])
    found = [(name, health.find_rule(name), given.get(name)) for name in names]
    return [_asked(name, rule, value) for name, rule, value in found if value != OFF]


def warned(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings, but our rules stop only where they were told to: for a run that something else steers."""
    return {name: WARN for name, rule in health.HEALTH.items() if rule.stops} | dict(_flat(settings))


def _asked(name: str, rule: Rule, value: object) -> Asked:
    if value is None or value in (WARN, STOP):
        return Asked(name, rule, rule.usual, rule.stops if value is None else value == STOP)
    if isinstance(value, bool) or not isinstance(value, int | float):
        meant = nearest(value, WORDS) if isinstance(value, str) else ""
        raise UserError(f"health.{name} = {value!r} is neither a number nor off, warn or stop{meant}")
    if not 0 < value < rule.below:
        most = "" if rule.below == float("inf") else f" and below {rule.below:g}"
        raise UserError(
            f"health.{name} = {value:g} can be no threshold: it must lie above 0{most} (usual: {rule.usual:g}), or be "
            "off, warn or stop"
        )
    return Asked(name, rule, float(value), stops=True)


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value): a user's own rule bears dots, which ``--set`` reads as sections."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
