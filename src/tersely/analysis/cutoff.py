"""The generation cutoff (arXiv 2502.04463, 5.2): what a smaller cap would have given, from responses that are kept.

A sampler stops a response at the cap without a look at what comes after, so the first ``limit`` tokens of a kept
response are exactly those it would have had under that cap: nothing needs to be sampled again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tersely.errors import UserError
from tersely.records import EvalRecord, Finish, Status


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
