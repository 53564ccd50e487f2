"""An engine that takes shared-out weights itself: every process starts its own, and all are given whole tensors
together."""

from __future__ import annotations

from tersely.config import SamplingConfig
from tersely.facts import Facts
from tersely.learn.base_model import LoadedBase
from tersely.learn.learner import Learner
from tersely.models.agreement import PartCheck, probe_rows
from tersely.samplers import Sampler
from tersely.samplers.base import closed_if_refused
from tersely.samplers.engine_check import are_scored, compared, continued


def streamed_sampler(
    base: LoadedBase, learner: Learner, settings: SamplingConfig, facts: Facts, longest_prompt: int
) -> tuple[Sampler, PartCheck]:
    """As ``LoadedBase.make_sampler``, from a learner's shares. Every rank must call: an engine that cannot start, or is
    wrong, in one of them ends all."""
    world, model = learner.world, learner.served_model()
    with world.collective_errors():
        sampler = base.start_sampler(settings, facts, model, longest_prompt)
    with closed_if_refused(sampler):
        sampler.load_weights(model, 0)
        with world.collective_errors():
            rollouts = continued(sampler, probe_rows(model.config.get_text_config().vocab_size))
        scored = all(world.all_gather(are_scored(rollouts)))
        own = learner.score([(r.prompt_tokens, r.tokens) for r in rollouts]) if scored else None
        with world.collective_errors():
            imprecise, noise = facts.traits.less_precise is not None, base.check.layout.bound
            check = compared(facts.engine, rollouts, own, model.config.model_type, noise, imprecise)
        # Whoever sleeps after the comparison must not gather alone.
        sampler.load_weights(model, 0)
    return sampler, check
