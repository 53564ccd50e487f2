"""verl: our credit as an advantage estimator, our judge as its score.

verl scores one response at a time and computes advantages over the whole batch, on its driver: there alone groups are
seen. ``algorithm.adv_estimator=tersely`` names ``estimate``, ``+algorithm.tersely.alpha=0.2`` sets it, and
``compute_score`` is ``reward.custom_reward_function``. ``tersely train RECIPE --trainer verl`` writes all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tersely.adapters import tensors
from tersely.adapters.grading import problem_of, scores, shared_judge
from tersely.adapters.rows import Library
from tersely.errors import UserError
from tersely.objective import Need

if TYPE_CHECKING:
    import torch

VERL = Library("verl", "0.9.1", "0.10", frozenset({Need.TRUNCATED, Need.CAP}))
ESTIMATOR = "tersely"
"""The name of the estimator, and of its settings below ``algorithm``."""


def register() -> None:
    """Make the estimator known to verl in this process. UserError where verl is absent."""
    VERL.require()
    from verl.trainer.ppo.core_algos import register_adv_est

    register_adv_est(ESTIMATOR)(estimate)


def estimate(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, config: Any = None, index: Any = None, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(advantages, returns), as verl asks for them; ``returns`` are the shaped rewards, which verl only logs.

    ``index``: the uid of each row. UserError for KL in the reward, which cannot be told from the score any more.
    """
    found = plain(config)
    if found.get("use_kl_in_reward"):
        raise UserError(
            "algorithm.use_kl_in_reward takes KL away from the score before tersely sees it: use "
            "actor_rollout_ref.actor.use_kl_loss=True"
        )
    settings = found.get(ESTIMATOR)
    if settings is None:
        raise UserError(
            "algorithm.tersely is missing: give +algorithm.tersely.cap=TOKENS and +algorithm.tersely.alpha=0.1"
        )
    return tensors.estimate(VERL, settings, token_level_rewards, response_mask, index)


def plain(config: Any) -> Mapping[str, Any]:
    """verl's configuration as plain values."""
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return config
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(config, resolve=True)
    return dict(found)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Mapping[str, Any] | None = None,
    verifier: str | None = None,
    **_: Any,
) -> dict[str, float]:
    """One response judged: ``score`` (from 0 to 1, -1 not judged), ``acc`` (what verl validates by), ``unjudged``.

    ``extra_info``: ``problem`` as ``grading.described`` writes it, else ``kind``; ``opened``: the prompt opens a
    thought. ``verifier`` decides instead of our judge (reward.custom_reward_function.reward_kwargs.verifier).
    """
    known = extra_info or {}
    problem = problem_of(ground_truth, known.get("problem"), known.get("kind"))
    (score,) = scores([problem], [solution_str], shared_judge(verifier), [bool(known.get("opened"))])
    return {"score": score, "acc": max(score, 0.0), "unjudged": float(score < 0)}
