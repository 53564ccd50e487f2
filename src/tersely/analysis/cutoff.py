"""The generation cutoff (arXiv 2502.04463, 5.2): what a smaller cap would have given, from responses that are kept.

A sampler stops a response at the cap without a look at what comes after, so the first ``limit`` tokens of a kept
response are exactly those it would have had under that cap: nothing needs to be sampled again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tersely.errors import UserError
from tersely.records import EvalRecord, Finish, Status

PAPER = (8192, 16384, 20480, 24576, 32768)
"""The paper's 8K to 32K."""
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95)
"""Of the base's own lengths, where the paper's cutoffs lie beyond every response."""


def cutoff_limits(seeds: Sequence[Sequence[EvalRecord]]) -> list[int]:
    """Limits that shorten something and can be computed for every seed: the paper's, else quantiles of the lengths."""
    pooled = [record for records in seeds for record in records]
    longest = max(record.tokens for record in pooled)
    stopped = min((r.tokens for r in pooled if r.finish is not Finish.EOS), default=longest)
    limits = [limit for limit in PAPER if limit < longest]
    if not limits:
        found = np.quantile([record.tokens for record in pooled], QUANTILES, method="higher")
        limits = sorted({int(value) for value in found})
    return [limit for limit in limits if limit < longest and limit <= stopped]


def cut(records: Sequence[EvalRecord], limit: int) -> list[EvalRecord]:
    """The records as they would be under a cap of ``limit`` tokens: one that is longer is unfinished, so it has no
    answer, is wrong, and cost ``limit`` tokens. A response that ends with its ``limit``-th token is finished.

    ``text`` stays whole (no tokens are kept to cut it by): count no behaviours in what this returns.
    UserError where the limit is not positive, or where a response was already stopped below it, since nobody knows
    how that one goes on.
    """
    if limit < 1:
        raise UserError(f"a cutoff of {limit} tokens leaves no response: give at least 1")
    for record in records:
        if record.finish is not Finish.EOS and record.tokens < limit:
            raise UserError(
                f"a cutoff at {limit} tokens cannot be computed: problem {record.problem_id} has a response stopped at "
                f"{record.tokens} tokens; use a smaller cutoff, or evaluate again with a larger cap"
            )
    return [_cut_one(record, limit) for record in records]


def _cut_one(record: EvalRecord, limit: int) -> EvalRecord:
    if record.tokens <= limit:
        return record
    return replace(
        record,
        tokens=limit,
        finish=Finish.LENGTH,
        correct=False,
        status=Status.NO_ANSWER,
        extracted=None,
        thinking_tokens=None if record.thinking_tokens is None else min(record.thinking_tokens, limit),
    )
