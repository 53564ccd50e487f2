"""What a step leaves behind: its line in the journal, and the samples worth reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tersely.analysis.overthinking import loops
from tersely.journal import LevelRecord, StepEvent, StepRecord
from tersely.learn.metrics import UpdateMetrics
from tersely.records import Credit, Finish, Group, JsonObject, Status
from tersely.tasks.training_prompts import TrainingPrompts
from tersely.verify.summary import Remarks


def step_record(
    step: int,
    groups: Sequence[Group],
    credits: Sequence[Credit],
    metrics: UpdateMetrics,
    learning_rate: float,
    alpha: float | None = None,
    cap: int | None = None,
    levels: Sequence[str | None] = (),
) -> StepRecord:
    """What happened in a step; ``alpha`` and ``cap`` only where a schedule moves them, ``levels`` of effort a group
    (none: none)."""
    lengths = np.concatenate([g.lengths_G for g in groups])
    correct = np.concatenate([g.correct_G for g in groups])
    judged = np.concatenate([g.judged_G for g in groups])
    rewards = np.concatenate([c.rewards_G for c in credits])
    rollouts = [r for g in groups for r in g.rollouts]
    cut_off = [r for r in rollouts if r.finish is not Finish.EOS]
    verdicts = [v for g in groups for v in g.verdicts]
    remarks = Remarks.said_by(v.reason for v in verdicts)
    # All right or all wrong says something of two judged siblings or more, whether a filter leaves them out or not.
    several = [(g.correct_G, g.judged_G) for g, c in zip(groups, credits, strict=True) if c.counted_G.sum() > 1]
    return StepRecord(
        step=step,
        event=StepEvent.STEP if metrics.losses else StepEvent.NO_SIGNAL,
        problems=len(groups),
        responses=len(rollouts),
        accuracy=_mean(correct[judged]),
        reward=_mean(rewards[judged]),
        length=_mean(lengths),
        length_correct=_mean(lengths[correct]),
        length_wrong=_mean(lengths[judged & ~correct]),
        truncated=len(cut_off) / len(rollouts),
        no_answer=sum(v.status is Status.NO_ANSWER for v in verdicts) / len(verdicts),
        unjudged=float(np.mean(~judged)),
        groups_all_correct=sum(bool(c[j].all()) for c, j in several) / len(groups),
        groups_all_wrong=sum(not c[j].any() for c, j in several) / len(groups),
        groups_dropped=1.0 - sum(c.dropped is None for c in credits) / len(groups),
        kl=metrics.mean("kl"),
        entropy=metrics.mean("entropy"),
        clip_fraction=metrics.mean("clipped"),
        grad_norm=metrics.grad_norm,
        loss=metrics.loss,
        logprob_gap_mean=metrics.mean("gap_sum"),
        logprob_gap_max=metrics.gap_max if metrics.gap_tokens else None,
        logprob_gap_kl=metrics.mean("gap_kl"),
        learning_rate=learning_rate,
        response_tokens=int(lengths.sum()),
        importance_mean=metrics.mean("correction") if metrics.corrected else None,
        importance_capped=metrics.mean("capped") if metrics.corrected else None,
        restated=remarks.restated / len(verdicts),
        cut=remarks.cut / len(verdicts),
        alpha=alpha,
        endless=sum(loops(r.text) for r in cut_off) / len(rollouts),
        cap=cap,
        levels=_by_level(groups, levels),
    )


def _by_level(groups: Sequence[Group], levels: Sequence[str | None]) -> dict[str, LevelRecord] | None:
    """What came of the groups of each level, by its name in order."""
    found = {}
    for level in sorted({level for level in levels if level is not None}):
        of_it = [group for group, drawn in zip(groups, levels, strict=True) if drawn == level]
        correct, judged = (np.concatenate([getattr(g, name) for g in of_it]) for name in ("correct_G", "judged_G"))
        length = float(np.concatenate([g.lengths_G for g in of_it]).mean())
        found[level] = LevelRecord(tuple(g.problem.id for g in of_it), _mean(correct[judged]), length)
    return found or None


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


@dataclass(frozen=True, slots=True)
class NotableSample:
    """A response of a step worth reading: a line of samples.jsonl."""

    step: int
    which: str
    """"shortest_correct", "longest_correct" or "wrong"."""
    group: Group
    place: int
    """Among the group's siblings."""
    level: str | None = None
    """Of effort, that was asked for."""

    def to_json(self) -> JsonObject:
        problem, rollout, verdict = self.group.problem, self.group.rollouts[self.place], self.group.verdicts[self.place]
        return {
            "step": self.step,
            "which": self.which,
            "problem_id": problem.id,
            "difficulty": problem.difficulty,
            "question": problem.question,
            "answer": problem.answer,
            "tokens": rollout.length,
            "finish": str(rollout.finish),
            "status": str(verdict.status),
            "reason": verdict.reason,
            "text": rollout.text,
            **({} if self.level is None else {"level": self.level}),
        }


def notable_samples(step: int, groups: Sequence[Group], asking: TrainingPrompts | None = None) -> list[NotableSample]:
    """Shortest correct, longest correct and one wrong response of the step (the first of its kind where equal)."""
    places = [(group, i, bool(ok)) for group in groups for i, ok in enumerate(group.correct_G)]
    correct = [(group, i) for group, i, ok in places if ok]
    wrong = [(group, i) for group, i, ok in places if not ok]
    picks: list[tuple[str, tuple[Group, int]]] = []
    if correct:
        picks.append(("shortest_correct", min(correct, key=_length)))
        picks.append(("longest_correct", max(correct, key=_length)))
    if wrong:
        picks.append(("wrong", wrong[0]))
    levels = [None if asking is None else asking.level_of(group.problem, step) for _, (group, _) in picks]
    return [NotableSample(step, which, *place, level) for (which, place), level in zip(picks, levels, strict=True)]


def _length(place: tuple[Group, int]) -> int:
    group, i = place
    return group.rollouts[i].length


def shown_numbers(record: StepRecord, seconds: float) -> dict[str, str]:
    """What is shown of a step while it goes on, by name."""
    return {
        "accuracy": _percent(record.accuracy),
        "tokens": f"{record.length:.0f}",
        "truncated": _percent(record.truncated),
        "kl": "-" if record.kl is None else f"{record.kl:.4f}",
        "s": f"{seconds:.1f}",
        **{level: f"{one.length:.0f}" for level, one in (record.levels or {}).items()},
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
