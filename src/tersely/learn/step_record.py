"""What a step leaves behind: its line in the journal, and the samples worth reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tersely.learn.metrics import UpdateMetrics
from tersely.records import Credit, Finish, Group, Rollout, Status, Verdict


def step_record(
    step: int, groups: Sequence[Group], credits: Sequence[Credit], metrics: UpdateMetrics, learning_rate: float
) -> dict[str, Any]:
    """The journal's line: a pure function of what happened (no clock), so that a replay writes the same bytes."""
    lengths = np.concatenate([g.lengths_G for g in groups])
    correct = np.concatenate([g.correct_G for g in groups])
    judged = np.concatenate([g.judged_G for g in groups])
    rewards = np.concatenate([c.rewards_G for c in credits])
    rollouts = [r for g in groups for r in g.rollouts]
    verdicts = [v for g in groups for v in g.verdicts]
    kept = [(g.correct_G, g.judged_G) for g, c in zip(groups, credits, strict=True) if c.dropped is None]
    return {
        "step": step,
        "event": "STEP" if metrics.losses else "NO_SIGNAL",
        "problems": len(groups),
        "responses": len(rollouts),
        "accuracy": _mean(correct[judged]),
        "reward": _mean(rewards[judged]),
        "length": _mean(lengths),
        "length_correct": _mean(lengths[correct]),
        "length_wrong": _mean(lengths[judged & ~correct]),
        "truncated": _mean(np.array([r.finish is not Finish.EOS for r in rollouts])),
        "no_answer": _mean(np.array([v.status is Status.NO_ANSWER for v in verdicts])),
        "unjudged": _mean(~judged),
        "groups_all_correct": sum(bool(c[j].all()) for c, j in kept) / len(groups),
        "groups_all_wrong": sum(not c[j].any() for c, j in kept) / len(groups),
        "groups_dropped": 1.0 - len(kept) / len(groups),
        **metrics.means(),
        "learning_rate": learning_rate,
        "response_tokens": int(lengths.sum()),
    }


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


GAP_ALARM = 0.05
"""Mean difference (nats) of the sampler's and the trainer's log-probabilities above which they are not one policy."""

TRUNCATION_ALARM = 0.5
"""Share of truncated responses above which the cap, not the problem, decides most rewards."""


def alarms(record: Mapping[str, Any]) -> list[str]:
    """Sentences about a step that went on but should be looked at."""
    said = []
    gap = record["logprob_gap_mean"]
    if gap is not None and gap > GAP_ALARM:
        said.append(
            f"step {record['step']}: sampler and trainer disagree by {gap:.3f} nats a token on average (alarm at "
            f"{GAP_ALARM}): the ratio to the sampling policy is off; check dtype, temperature and template"
        )
    if record["truncated"] > TRUNCATION_ALARM:
        said.append(
            f"step {record['step']}: {record['truncated']:.0%} of the responses hit the cap and earn nothing: "
            "raise sampling.max_new_tokens"
        )
    return said


def notable_samples(step: int, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Shortest correct, longest correct and one wrong response of the step (the first of its kind where equal)."""
    pairs = [
        (group, rollout, verdict, bool(ok))
        for group in groups
        for rollout, verdict, ok in zip(group.rollouts, group.verdicts, group.correct_G, strict=True)
    ]
    correct = [p for p in pairs if p[3]]
    wrong = [p for p in pairs if not p[3]]
    picks = []
    if correct:
        picks.append(("shortest_correct", min(correct, key=lambda p: p[1].length)))
        picks.append(("longest_correct", max(correct, key=lambda p: p[1].length)))
    if wrong:
        picks.append(("wrong", wrong[0]))
    return [_sample(step, which, *pick[:3]) for which, pick in picks]


def _sample(step: int, which: str, group: Group, rollout: Rollout, verdict: Verdict) -> dict[str, Any]:
    return {
        "step": step,
        "which": which,
        "problem_id": group.problem.id,
        "difficulty": group.problem.difficulty,
        "question": group.problem.question,
        "answer": group.problem.answer,
        "tokens": rollout.length,
        "finish": str(rollout.finish),
        "status": str(verdict.status),
        "reason": verdict.reason,
        "text": rollout.text,
    }
