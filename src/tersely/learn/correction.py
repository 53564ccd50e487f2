"""Importance weights where the engine that samples is less precise than the model that is trained."""

from __future__ import annotations

from tersely.config import LearnerConfig
from tersely.samplers.base import EngineTraits

USUAL_CAP = 2.0
"""Of the weights of tokens, as in truncated importance sampling (docs/method.md)."""


def corrected(learner: LearnerConfig, engine: EngineTraits) -> LearnerConfig:
    """The settings with ``importance_cap`` on where the engine makes it necessary and nothing else corrects.

    With ``old_logprobs = sampler`` the ratio of the loss starts from the engine's own probabilities already.
    """
    if not _uncorrected(learner, engine):
        return learner
    return learner.model_copy(update={"importance_cap": USUAL_CAP})


def correction_notice(learner: LearnerConfig, engine: EngineTraits) -> str | None:
    """One sentence for a correction that nobody asked for."""
    if not _uncorrected(learner, engine):
        return None
    return (
        f"the engine samples less precisely than the model that is trained ({engine.less_precise}), so every token is "
        f"weighed by the model's / the engine's probability, at most {USUAL_CAP:g} (learner.importance_cap)"
    )


def _uncorrected(learner: LearnerConfig, engine: EngineTraits) -> bool:
    return engine.less_precise is not None and learner.importance_cap is None and learner.old_logprobs == "trainer"
