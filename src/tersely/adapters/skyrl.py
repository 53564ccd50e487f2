"""SkyRL: our credit as an advantage estimator.

SkyRL's estimators are given the whole batch, as verl's are: ``register(...)`` in the script that starts the training,
before Ray is initialised, and ``trainer.algorithm.advantage_estimator=tersely``. The environment's reward is the score:
1 right, 0 wrong, -1 not judged (``tersely.adapters.verl.compute_score`` gives it).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tersely.adapters import tensors
from tersely.adapters.rows import Library, objective_of
from tersely.objective import Need

if TYPE_CHECKING:
    import torch

SKYRL = Library("skyrl", "0.3.0", "0.4", frozenset({Need.TRUNCATED, Need.CAP}))
ESTIMATOR = "tersely"


def register(cap: int, **objective: Any) -> None:
    """Make the estimator known to SkyRL: ``register(cap=8192, alpha=0.2)``; ``objective``: the keys of that section.

    Called again, it takes the place of what was registered before. UserError where SkyRL is absent, and for an
    objective that it cannot carry.
    """
    SKYRL.require()
    SKYRL.require_carried(objective_of(objective))
    from skyrl.backends.skyrl_train.utils.ppo_utils import AdvantageEstimatorRegistry, register_advantage_estimator

    if ESTIMATOR in AdvantageEstimatorRegistry.list_available():
        AdvantageEstimatorRegistry.unregister(ESTIMATOR)
    register_advantage_estimator(ESTIMATOR)(partial(estimate, settings={"cap": cap, **objective}))


def estimate(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    index: Any = None,
    *,
    settings: dict[str, Any],
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(advantages, returns), as SkyRL asks for them; ``returns`` are the shaped rewards. ``index``: a row's uid."""
    return tensors.estimate(SKYRL, settings, token_level_rewards, response_mask, index)
