"""Which releases of transformers our own loading and training were written for."""

from __future__ import annotations

from tersely.errors import UserError

LOWEST = (5, 16)
"""Adapters of other engines work with older ones, which those engines pin; our own loop does not."""


def require_release(found: str) -> None:
    """UserError where ``found``, the installed transformers, is older than our own loading of models needs."""
    parts = tuple(int(part) for part in found.split(".")[:2])
    if parts < LOWEST:
        raise UserError(
            f"transformers {found} is installed, and tersely loads models with {LOWEST[0]}.{LOWEST[1]} or newer: use "
            "another environment than that of verl, SkyRL or OpenRLHF, whose pins are older (docs/engines.md)"
        )
