"""Our health rules: each a pure function of the steps so far and its entry with threshold and cure.

Shares "of the first" are of the mean over the first ``FIRST`` steps, and nothing is said before those are done. The
usual thresholds lie far beyond what sound runs show (docs/health.md has both).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tersely.journal import StepRecord
from tersely.learn.health.rule import Rule, Steps

FIRST = 5
"""Steps whose mean stands for how the run began."""

SURE = 4.0
"""Standard errors by which accuracy must have fallen before it counts as lost: problems differ from step to step."""

SUSTAINED = 10
"""Steps over whose mean the share of unjudged answers is taken."""


def length_collapse(steps: Steps, threshold: float) -> str | None:
    """Responses shorter than this share of the first ones, and fewer of them right: short and right is the aim."""
    last, first = steps[-1].length, _first(steps, "length")
    if last is None or first is None or last >= threshold * first or not _lost_accuracy(steps):
        return None
    return f"responses have {last:.0f} tokens, after {first:.0f} at first, and fewer of them are right"


def accuracy_floor(steps: Steps, threshold: float) -> str | None:
    """Fewer right answers than this share of those at first."""
    last, first = steps[-1].accuracy, _first(steps, "accuracy")
    if last is None or first is None or last >= threshold * first or not _lost_accuracy(steps):
        return None
    return f"{last:.1%} of the answers were right, after {first:.1%} at first"


def kl(steps: Steps, threshold: float) -> str | None:
    """More nats a token between the policy and the base than this; nothing where the KL term is off."""
    last = steps[-1].kl
    return None if last is None or last <= threshold else f"the policy lies {last:.2f} nats a token off the base"


def entropy_fall(steps: Steps, threshold: float) -> str | None:
    """Less entropy than this share of the first."""
    last, first = steps[-1].entropy, _first(steps, "entropy")
    if last is None or first is None or last >= threshold * first:
        return None
    return f"entropy is {last:.2g} nats a token, after {first:.2g} at first: nothing is tried any more"


def entropy_rise(steps: Steps, threshold: float) -> str | None:
    """More entropy than so many times the first."""
    last, first = steps[-1].entropy, _first(steps, "entropy")
    if last is None or first is None or last <= threshold * first:
        return None
    return f"entropy is {last:.2g} nats a token, after {first:.2g} at first: responses dissolve"


def truncation(steps: Steps, threshold: float) -> str | None:
    """A larger share of responses than this hit the cap."""
    last = steps[-1].truncated
    return None if last <= threshold else f"{last:.0%} of the responses hit the cap and earn nothing"


def repetition(steps: Steps, threshold: float) -> str | None:
    """A larger share of responses than this ran in circles until the cap."""
    last = steps[-1].endless
    return None if last is None or last <= threshold else f"{last:.0%} of the responses ran in circles until the cap"


def unjudged(steps: Steps, threshold: float) -> str | None:
    """A larger share of answers than this could not be judged, over ``SUSTAINED`` steps."""
    recent = steps[-SUSTAINED:]
    share = _mean(step.unjudged for step in recent)
    if len(recent) < SUSTAINED or share is None or share <= threshold:
        return None
    return f"{share:.1%} of the answers of {SUSTAINED} steps could not be judged"


def sampler_mismatch(steps: Steps, threshold: float) -> str | None:
    """Sampler and trainer differ by more nats a token than this: they are not one policy."""
    gap = steps[-1].logprob_gap_mean
    if gap is None or gap <= threshold:
        return None
    return f"sampler and trainer disagree by {gap:.3f} nats a token on average, so the ratio between them is off"


LENGTH_COLLAPSE = Rule(
    length_collapse, 0.05, stops=True, below=1.0, cure="lower alpha or the learning rate, in another folder"
)
ACCURACY_FLOOR = Rule(
    accuracy_floor, 0.25, stops=True, below=1.0, cure="lower the learning rate or alpha, in another folder"
)
KL = Rule(kl, 1.0, stops=False, cure="raise learner.kl_coefficient or lower learner.learning_rate")
ENTROPY_FALL = Rule(
    entropy_fall, 0.005, stops=False, below=1.0, cure="lower the learning rate, or hold it with learner.loss = kl_cov"
)
ENTROPY_RISE = Rule(entropy_rise, 5.0, stops=False, cure="lower learner.learning_rate, in another folder")
TRUNCATION = Rule(truncation, 0.5, stops=False, below=1.0, cure="raise sampling.max_new_tokens")
REPETITION = Rule(
    repetition, 0.3, stops=False, below=1.0,
    cure="read samples.jsonl; lower the learning rate, or leave truncated responses in the loss",
)  # fmt: skip
UNJUDGED = Rule(
    unjudged, 0.01, stops=False, below=1.0, in_row=1,
    cure="look at them in unjudged.json, and give run.judge_workers a core each",
)  # fmt: skip
SAMPLER_MISMATCH = Rule(sampler_mismatch, 0.05, stops=False, cure="check dtype, temperature and template")


# ---- how it was at first


def _first(steps: Steps, name: str) -> float | None:
    """Mean of a quantity over the first steps; None until they are done, and where none of them has it."""
    if len(steps) <= FIRST:
        return None
    return _mean(value for step in steps[:FIRST] if (value := getattr(step, name)) is not None)


def _lost_accuracy(steps: Steps) -> bool:
    """Whether accuracy fell by more than drawing other problems explains.

    The error is that of independent problems whose siblings all say the same: the largest that there can be.
    """
    last, first = steps[-1].accuracy, _first(steps, "accuracy")
    if last is None or first is None:
        return False
    return first - last > SURE * math.hypot(_error(first, steps[:FIRST]), _error(last, steps[-1:]))


def _error(share: float, steps: Sequence[StepRecord]) -> float:
    return math.sqrt(share * (1.0 - share) / sum(step.problems for step in steps))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
