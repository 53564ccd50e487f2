"""Health rules: signs of a sick run, each with a threshold and a cure. Adding one is a ``Rule`` and a line here.

``--set health.NAME=`` a number (the run stops beyond it), ``stop`` or ``warn`` (at the usual threshold), or ``off``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tersely import plugins
from tersely.errors import UserError
from tersely.learn.health import rules
from tersely.learn.health.rule import Rule, Sees, Steps

HEALTH: Mapping[str, Rule] = MappingProxyType(
    {
        "length_collapse": rules.LENGTH_COLLAPSE,
        "accuracy_floor": rules.ACCURACY_FLOOR,
        "kl": rules.KL,
        "entropy_fall": rules.ENTROPY_FALL,
        "entropy_rise": rules.ENTROPY_RISE,
        "truncation": rules.TRUNCATION,
        "repetition": rules.REPETITION,
        "unjudged": rules.UNJUDGED,
        "sampler_mismatch": rules.SAMPLER_MISMATCH,
    }
)
"""Rules by the name that ``health.NAME`` uses."""


def find_rule(name: str) -> Rule:
    """The rule of that name, or a user's own ``package.module:RULE``. UserError where there is none such."""
    rule = plugins.find("health rule", name, HEALTH)
    if not isinstance(rule, Rule):
        raise UserError(f"health rule {name!r} must be a tersely.learn.health.Rule, and it is none")
    plugins.require_signature("health rule", name, rule.sees, "steps", "threshold")
    return rule


__all__ = ["HEALTH", "Rule", "Sees", "Steps", "find_rule"]
