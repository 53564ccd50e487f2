"""Whether an engine with weights of its own says of its tokens what the model's own forward says of them."""

from __future__ import annotations

import torch

from tersely.errors import UserError
from tersely.models.agreement import CONTINUED, PartCheck, Tried, Truth, own_logprobs
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
    bound = max(truth.bound, LESS_PRECISE if less_precise else KERNELS)
    found = Tried(name, *_gap(sampler, truth))
    if found.gap is not None and not found.is_within(bound):
        raise UserError(
            f"the engine {name} does not sample from this {truth.model.config.model_type} model ({found.says()} from "
            f"the model's own log-probabilities; allowed are {bound:.2g} nats): sample with the engine {TRANSFORMERS} "
            f"(--set sampling.engine={TRANSFORMERS}; evaluate: --engine {TRANSFORMERS})"
        )
    return PartCheck("engine", bound, (found,))


def _gap(sampler: Sampler, truth: Truth) -> tuple[float | None, str | None]:
    """In nats; None and why where there is none."""
    prompts = [Prompt(f"check-{i}", row[:-CONTINUED]) for i, row in enumerate(truth.rows)]
    apart = []
    for rollout in sampler.generate(prompts, Sampling(n=1, max_new_tokens=ASKED)):
        if not rollout.logprobs:
            return None, "it gives no log-probabilities"
        with torch.no_grad(), truth.precision():
            own_TV = own_logprobs(truth.model, [(*rollout.prompt_tokens, *rollout.tokens)])[0]
        own_TV = own_TV[-len(rollout.tokens) - 1 : -1].cpu()
        own_T = own_TV.gather(1, torch.tensor(rollout.tokens)[:, None])[:, 0]
        apart += (own_T - torch.tensor(rollout.logprobs)).abs().tolist()
    return sum(apart) / len(apart), None
