"""The golden groups through SkyRL's own registry; run by ``scripts/engines skyrl``."""

from __future__ import annotations

import sys
import typing
from typing import Any

import numpy as np
import pytest
import typing_extensions

pytest.importorskip("skyrl", reason="scripts/engines skyrl")
pytest.importorskip("torch")

import torch

import golden_batches
from golden_groups import ALPHA, CAP, golden, interleaved
from tersely.adapters.skyrl import ESTIMATOR, register
from tersely.errors import UserError


@pytest.fixture(scope="module")
def utils() -> Any:
    """SkyRL 0.3.0 says that it takes Python 3.11, but pydantic takes its records from 3.12 on alone: on 3.11 it is
    given the TypedDict of 3.12."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.version_info < (3, 12):
            patch.setattr(typing, "TypedDict", typing_extensions.TypedDict)
        from skyrl.backends.skyrl_train.utils import ppo_utils
    return ppo_utils


@pytest.mark.parametrize("rows", [golden(), interleaved()], ids=["in order", "apart"])
def test_the_golden_groups_through_skyrls_registry(utils: Any, rows: Any) -> None:
    register(cap=CAP, alpha=ALPHA)
    rewards, mask, uids = golden_batches.tensors(rows)
    advantages, returns = utils.compute_advantages_and_returns(
        token_level_rewards=rewards, response_mask=mask, index=uids, adv_estimator=ESTIMATOR, config=None, values=None
    )
    golden_batches.require_golden(rows, mask, advantages, returns)


def test_skyrls_own_rloo_agrees_where_nothing_is_priced(utils: Any) -> None:
    rows = golden(["mixed", "one right", "all wrong"])
    rewards, mask, uids = golden_batches.tensors(rows)
    register(cap=CAP, alpha=0.0)
    found = [
        utils.compute_advantages_and_returns(rewards.clone(), mask, np.array(uids), name, None)[0]
        for name in (ESTIMATOR, "rloo")
    ]
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)


def test_what_skyrl_cannot_carry_is_refused() -> None:
    with pytest.raises(UserError, match=r"method 'arlcp' needs the text of the responses .* skyrl does not hand"):
        register(cap=CAP, method="arlcp")
