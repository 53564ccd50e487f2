"""Advantage estimators of engines that hold a padded batch: verl's and SkyRL's are called alike.

Shapes: ``_B`` rows, ``_T`` positions of the widest response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tersely.adapters.rows import UNJUDGED, Library, credit_rows, objective_of
from tersely.errors import UserError

if TYPE_CHECKING:
    import torch

KEYS = ("cap",)
"""Of the adapter's settings, those that are not the objective's."""


def estimate(
    library: Library,
    settings: Mapping[str, Any],
    rewards_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    groups: Sequence[Any] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(advantages [B, T], shaped rewards [B, T]), each row's number at its unmasked positions.

    ``rewards_BT`` holds a row's score anywhere in it, ``UNJUDGED`` where nobody could say; ``mask_BT`` counts its
    tokens; rows of padding have none. ``settings``: ``cap``, the most tokens a response could have (a row that is as
    long is truncated, and wrong: no finish reason reaches an estimator), and the keys of the section objective.
    """
    if groups is None:
        raise UserError(f"{library.name} gave no uid to its estimator: rows cannot be put into groups")
    cap = settings.get("cap")
    if cap is None:
        raise UserError("cap is missing among tersely's settings: give the most tokens that a response may have")
    objective = objective_of({key: value for key, value in settings.items() if key not in KEYS})
    library.require_carried(objective)
    scores_B, lengths_B = rewards_BT.sum(-1).tolist(), mask_BT.sum(-1).tolist()
    _require_scores(scores_B)
    truncated_B = [length >= cap for length in lengths_B]
    credit = credit_rows(objective, scores_B, lengths_B, list(groups), truncated=truncated_B, cap=int(cap))
    return _spread(credit.advantages_N, rewards_BT, mask_BT), _spread(credit.rewards_N, rewards_BT, mask_BT)


def _require_scores(scores: Sequence[float]) -> None:
    odd = [score for score in scores if not (0 <= score <= 1 or score == UNJUDGED)]
    if odd:
        raise UserError(
            f"a score of {odd[0]:g} reached the estimator, which is neither from 0 to 1 nor {UNJUDGED:g} (not judged): "
            "take KL and other penalties out of the reward"
        )


def _spread(values_B: np.ndarray[Any, Any], like_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    return like_BT.new_tensor(values_B)[:, None] * mask_BT.to(like_BT.dtype)
