"""A base that comes with the package, so that `tersely quickstart --fast` need not make one: see MADE.json."""

from __future__ import annotations

from pathlib import Path

SHIPPED_BASE = Path(__file__).parent / "base"
"""A model folder: what `tersely base --seed 0` makes, its weights alone."""
MADE = Path(__file__).parent / "MADE.json"
"""The command that made it, where, and the digest of the weights (``models.digest.weights_digest``)."""
