"""From credit to rows: what one iteration gives the learner. Pure numpy; padding happens a micro-batch at a time.

``_B`` rows (responses), ``_T`` tokens of one response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tersely.records import Credit, Finish, FloatArray, Group

AVERAGING = ("sequence", "token", "constant")


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One response as the loss sees it."""

    prompt_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    sampled_logprobs_T: FloatArray | None
    """[T] under the sampling policy, or None where the sampler gives none."""
    advantage: float
    """Sequence-level advantage, the same for every token of the response."""
    has_signal: bool
    """False where the advantages of its whole group are 0."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def width(self) -> int:
        """Tokens the model must read for it: prompt and response."""
        return len(self.prompt_tokens) + len(self.tokens)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that go through the model together, as the loss sees them."""

    rows: tuple[TrainingRow, ...]
    weights_B: FloatArray
    """[B] what every token's loss of a row is multiplied with (``token_weights``): a step's loss is the plain sum."""

    @property
    def lengths(self) -> list[int]:
        """[B] response tokens of each row; N is their sum."""
        return [row.length for row in self.rows]

    @property
    def sampled_logprobs_N(self) -> FloatArray | None:
        """[N] float64 under the sampling policy, row after row; None where a row has none."""
        parts = [row.sampled_logprobs_T for row in self.rows if row.sampled_logprobs_T is not None]
        return np.concatenate(parts) if len(parts) == len(self.rows) else None

    def take(self, index: NDArray[np.int64]) -> Batch:
        """The rows with these places, in this order."""
        return Batch(tuple(self.rows[i] for i in index), self.weights_B[index])


def collate(groups: Sequence[Group], credits: Sequence[Credit], *, mask_truncated: bool = False) -> list[TrainingRow]:
    """Rows of all counted responses, group by group; dropped groups and UNJUDGED responses give none.

    ``mask_truncated`` leaves out responses that did not end by themselves too: they have a say in the advantages of
    their siblings and none in the loss.
    """
    return [
        TrainingRow(
            prompt_tokens=rollout.prompt_tokens,
            tokens=rollout.tokens,
            sampled_logprobs_T=None if rollout.logprobs is None else np.asarray(rollout.logprobs, np.float64),
            advantage=float(credit.advantages_G[g]),
            has_signal=credit.has_signal,
        )
        for group, credit in zip(groups, credits, strict=True)
        if credit.dropped is None
        for g, rollout in enumerate(group.rollouts)
        if credit.counted_G[g] and rollout.length > 0 and not (mask_truncated and rollout.finish is not Finish.EOS)
    ]


def balanced_shares(widths_B: Sequence[int], processes: int) -> list[list[int]]:
    """Rows of each process, in their own order: widest first, each to the process with the fewest tokens so far.

    Longest processing time first (Graham 1969): at most 4/3 - 1/(3 processes) of the best possible maximum, or where
    no row is wider than a share of many, next to nothing above the mean. Degenerate cases: one process has all rows;
    with fewer rows than processes some have none.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    tokens = [0] * processes
    for row in np.argsort(-np.asarray(widths_B, dtype=np.int64), kind="stable").tolist():
        least = tokens.index(min(tokens))
        shares[least].append(row)
        tokens[least] += widths_B[row]
    return [sorted(share) for share in shares]


_NOBODY = TrainingRow(prompt_tokens=(0,), tokens=(), sampled_logprobs_T=np.zeros(0), advantage=0.0, has_signal=False)

EMPTY = Batch((_NOBODY,), np.zeros(1))
"""A batch that adds nothing: for a process that has no row left while others do."""


def split_updates(groups: Sequence[Group], updates: int) -> list[slice]:
    """Whole groups shared out to the gradient steps of one iteration, as evenly as can be."""
    edges = np.linspace(0, len(groups), updates + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]


def token_weights(lengths_B: Sequence[int], averaging: str, constant: int) -> FloatArray:
    """[B] weight of each token of row i, so that loss = sum_i weight_i * sum_t loss_it.

    - "sequence": 1 / (B * T_i), the mean over responses of the mean over their tokens (the released code).
    - "token": 1 / sum_j T_j, the mean over all tokens of the step (DAPO, arXiv 2503.14476, eq. 12).
    - "constant": 1 / (B * constant), the sum over tokens divided by a fixed length (Dr. GRPO, arXiv 2503.20783).

    B and T count the whole gradient step, once: how the rows are cut into micro-batches cannot matter.
    Degenerate case: no rows, no weights.
    """
    lengths = np.asarray(lengths_B, dtype=np.float64)
    if averaging == "sequence":
        return 1.0 / (len(lengths) * lengths)
    if averaging == "token":
        return np.full(len(lengths), 1.0 / lengths.sum()) if len(lengths) else lengths
    if averaging == "constant":
        return np.full(len(lengths), 1.0 / (len(lengths) * constant)) if len(lengths) else lengths
    raise ValueError(f"unknown averaging {averaging!r}: one of {', '.join(AVERAGING)}")


def weigh(rows: Sequence[TrainingRow], averaging: str, constant: int) -> Batch:
    """All rows of one gradient step with their weights."""
    return Batch(tuple(rows), token_weights([r.length for r in rows], averaging, constant))


def micro_batches(widths_B: Sequence[int], token_budget: int, packed: bool = False) -> list[NDArray[np.int64]]:
    """Row indices cut into micro-batches of at most ``token_budget`` tokens, widest rows first.

    Padded: rows of similar width together, padding counted. Packed: first-fit decreasing, nothing but tokens counted.
    Widest first, so that running out of memory happens at once and not in the middle of a run. A row wider than the
    budget goes alone.
    """
    order = np.argsort(-np.asarray(widths_B, dtype=np.int64), kind="stable")
    if packed:
        return _first_fit(order, widths_B, token_budget)
    batches: list[NDArray[np.int64]] = []
    start = 0
    while start < len(order):
        width = widths_B[order[start]]
        count = max(1, token_budget // max(1, width))
        batches.append(order[start : start + count])
        start += count
    return batches


def _first_fit(order: NDArray[np.int64], widths_B: Sequence[int], token_budget: int) -> list[NDArray[np.int64]]:
    """Each row into the first batch with room for it (Johnson 1973: at most 11/9 of the fewest batches, plus one)."""
    batches: list[list[int]] = []
    room: list[int] = []
    for row in order.tolist():
        place = next((i for i, free in enumerate(room) if widths_B[row] <= free), None)
        if place is None:
            batches.append([])
            room.append(token_budget)
            place = len(batches) - 1
        batches[place].append(row)
        room[place] -= widths_B[row]
    return [np.array(batch, dtype=np.int64) for batch in batches]
