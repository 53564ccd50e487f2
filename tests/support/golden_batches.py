"""The golden groups as padded batches, as verl and SkyRL hold them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from golden_groups import GoldenRow

TOLERANCE = 1e-6


def tensors(rows: Sequence[GoldenRow]) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """(token rewards, mask, uids): the score on the last token, padding to the widest response on the right."""
    width = max(row.length for row in rows)
    mask = torch.tensor([[float(t < row.length) for t in range(width)] for row in rows])
    rewards = torch.zeros(len(rows), width)
    for i, row in enumerate(rows):
        rewards[i, max(row.length - 1, 0)] = row.score
    return rewards, mask, [row.group for row in rows]


def require_golden(
    rows: Sequence[GoldenRow], mask: torch.Tensor, advantages: torch.Tensor, rewards: torch.Tensor
) -> None:
    """Each row's advantage and shaped reward at all of its tokens, and nothing beside them."""
    for name, found in (("advantage", advantages), ("reward", rewards)):
        wanted = torch.tensor([getattr(row, name) for row in rows])[:, None] * mask
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=TOLERANCE, err_msg=name)
