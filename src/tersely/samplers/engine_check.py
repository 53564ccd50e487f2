"""Whether an engine with weights of its own says of its tokens what the model's own forward says of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tersely.errors import UserError
from tersely.models.agreement import CONTINUED, PartCheck, Tried, Truth, own_logprobs
from tersely.records import Rollout
from tersely.samplers.base import Prompt, Sampler, Sampling
from tersely.samplers.engines import TRANSFORMERS

ASKED = 8
"""Tokens sampled after each of the two prompts."""

KERNELS = 0.01
"""Nats. In fp32 too: an engine has kernels of its own, and may multiply in TF32."""


LESS_PRECISE = 0.2
"""Nats, of an engine whose weights or cache are less precise by its user's own choice: four bits move the usual token
by about a tenth; another model's weights by several."""


def check_engine(name: str, sampler: Sampler, truth: Truth, less_precise: bool = False) -> PartCheck:
    """The mean difference of what the engine says of tokens that it samples, and what the model does.

    UserError beyond the bound. An engine that gives no log-probabilities cannot be compared: the gap is None.
    """
    rollouts = continued(sampler, truth.rows)
    own = [_own(truth, rollout) for rollout in rollouts] if are_scored(rollouts) else None
    return compared(name, rollouts, own, truth.model.config.model_type, truth.bound, less_precise)


def continued(sampler: Sampler, rows: Sequence[tuple[int, ...]]) -> list[Rollout]:
    """What the engine says after the two prompts."""
    prompts = [Prompt(f"check-{i}", row[:-CONTINUED]) for i, row in enumerate(rows)]
    return sampler.generate(prompts, Sampling(n=1, max_new_tokens=ASKED))


def are_scored(rollouts: Sequence[Rollout]) -> bool:
    return all(rollout.logprobs for rollout in rollouts)


def compared(
    name: str,
    rollouts: Sequence[Rollout],
    own: Sequence[Sequence[float]] | None,
    kind: str,
    noise: float,
    less_precise: bool,
) -> PartCheck:
    """As ``check_engine``. ``own``: log-probabilities of the model itself, a ``kind``, for each rollout's tokens (None:
    the engine has none to compare); ``noise``: what they differ by from one right way to compute them to another."""
    bound = max(noise, LESS_PRECISE if less_precise else KERNELS)
    found = Tried(name, None, "it gives no log-probabilities") if own is None else Tried(name, _gap(rollouts, own))
    if found.gap is not None and not found.is_within(bound):
        raise UserError(
            f"the engine {name} does not sample from this {kind} model ({found.says()} from the model's own "
            f"log-probabilities; allowed are {bound:.2g} nats): sample with the engine {TRANSFORMERS} "
            f"(--set sampling.engine={TRANSFORMERS}; evaluate: --engine {TRANSFORMERS})"
        )
    return PartCheck("engine", bound, (found,))


def _own(truth: Truth, rollout: Rollout) -> list[float]:
    with torch.no_grad(), truth.precision():
        own_TV = own_logprobs(truth.model, [(*rollout.prompt_tokens, *rollout.tokens)])[0]
    own_TV = own_TV[-len(rollout.tokens) - 1 : -1].cpu()
    own_T: list[float] = own_TV.gather(1, torch.tensor(rollout.tokens)[:, None])[:, 0].tolist()
    return own_T


def _gap(rollouts: Sequence[Rollout], own: Sequence[Sequence[float]]) -> float:
    """In nats."""
    apart: list[float] = []
    for rollout, own_T in zip(rollouts, own, strict=True):
        apart += (torch.tensor(own_T) - torch.tensor(rollout.logprobs)).abs().tolist()
    return sum(apart) / len(apart)
