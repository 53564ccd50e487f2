"""Policy losses, one file each. Adding one is its file and its line in ``LOSSES``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tersely import plugins
from tersely.learn.losses.base import Loss, LossInputs, PolicyLoss
from tersely.learn.losses.kl_cov import NAME as KL_COV
from tersely.learn.losses.kl_cov import kl_cov_loss
from tersely.learn.losses.ppo_clip import policy_loss

LOSSES: Mapping[str, Loss] = MappingProxyType({"ppo_clip": policy_loss, KL_COV: kl_cov_loss})
"""Losses by the name that ``learner.loss`` uses."""


def find_loss(name: str) -> Loss:
    """The loss of that name, or a user's own ``package.module:function``. UserError where there is none such."""
    loss = plugins.find("loss", name, LOSSES)
    plugins.require_signature("loss", name, loss, "LossInputs")
    return loss


__all__ = ["KL_COV", "LOSSES", "Loss", "LossInputs", "PolicyLoss", "find_loss", "policy_loss"]
