"""Which problems a step takes: a pure function of (seed, step), so that a resumed run needs no saved cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tersely.errors import UserError
from tersely.records import Problem


def problems_of_step(problems: Sequence[Problem], count: int, seed: int, step: int) -> list[Problem]:
    """The ``count`` problems of a step (from 0). Each epoch is one permutation seeded by (seed, epoch).

    The remainder of an epoch that does not fill a step is left out, so that no problem stands twice in one step.
    """
    per_epoch = len(problems) // count
    if per_epoch == 0:
        raise UserError(too_few(len(problems), count, len(problems)))
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(len(problems))
    return [problems[i] for i in order[place * count : (place + 1) * count]]


def too_few(problems: int, count: int, possible: int) -> str:
    """The sentence against a step that takes more problems than there are; ``possible`` prompts a step could be had."""
    fewer = f", or take fewer a step, --set sampling.prompts={possible}" if possible else ""
    return f"the task has {problems} problems but a step takes {count}: give more problems{fewer}"
