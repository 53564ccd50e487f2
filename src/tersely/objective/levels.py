"""Levels of effort: each group is asked with one of them, and its alpha is that level's.

An idea of this project; what comes nearest sets a length in the prompt (L1, arXiv 2503.04697) or serves several models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tersely.errors import UserError
from tersely.objective.build import setting_names
from tersely.objective.methods.base import Method

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def require_sense(
    levels: Mapping[str, float], method: str, kind: type[Method], alpha: float | None, schedule: str, normalize: str
) -> None:
    """UserError for levels that would move nothing, or that something else would move too."""
    for name in levels:
        if not _NAME.fullmatch(name):
            raise UserError(
                f"objective.levels: {name!r} is no name of a level, which stands in prompts and in names of folders: "
                "use letters, digits, - and _, such as low"
            )
    if "alpha" not in setting_names(kind):
        raise UserError(f"objective.levels gives each level an alpha, but method {method!r} has none: leave levels out")
    if alpha is not None:
        raise UserError(f"alpha = {alpha} beside objective.levels, each of which has an alpha: leave one of them out")
    if schedule != "constant":
        raise UserError(f"schedule {schedule!r} moves one alpha, and objective.levels has several: leave one out")
    if normalize == "group":
        raise UserError(
            "normalize = 'group' divides the advantages of a group by their own spread, so that where all responses "
            "are right alpha cancels out and all of objective.levels would be one: take normalize = none or batch"
        )
