"""Judged responses as an evaluation keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tersely.records import EvalRecord, Group, Rollout, Status, Verdict
from tersely.verify.summary import remark


def eval_records(group: Group, thinking: Callable[[Rollout], int | None]) -> list[EvalRecord]:
    """The judged responses to one problem, as responses.jsonl keeps them; ``thinking`` counts those tokens of one."""
    problem = group.problem
    return [
        EvalRecord(
            problem_id=problem.id,
            question=problem.question,
            answer=problem.gold,
            difficulty=problem.difficulty,
            sample=rollout.index,
            status=verdict.status,
            correct=verdict.status is Status.CORRECT,
            tokens=rollout.length,
            finish=rollout.finish,
            extracted=verdict.extracted,
            text=rollout.text,
            thinking_tokens=thinking(rollout),
            length_source=rollout.length_source,
            outside=verdict.outside,
            remark=remark(verdict),
            own_status=verdict.own_status,
            served=rollout.served,
        )
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    ]


def judged_again(record: EvalRecord, verdict: Verdict) -> EvalRecord:
    """A kept response with another verdict."""
    return replace(
        record,
        status=verdict.status,
        correct=verdict.status is Status.CORRECT,
        extracted=verdict.extracted,
        outside=verdict.outside,
        remark=remark(verdict),
        own_status=verdict.own_status,
    )
