"""The method as mathematics: numpy float64 only, no torch, no files.

``Objective`` is the whole of it; ``length``, ``reward`` and ``advantage`` hold the pieces it is composed of.
"""

from __future__ import annotations

from tersely.objective.credit import Objective

__all__ = ["Objective"]
