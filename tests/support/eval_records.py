"""Evaluated responses made by hand."""

from __future__ import annotations

from typing import Any

from tersely.records import EvalRecord, Finish, Status


def record(problem: str, sample: int, status: Status = Status.CORRECT, tokens: int = 10, **more: Any) -> EvalRecord:
    finish = more.get("finish", Finish.EOS)
    fields: dict[str, Any] = {
        "problem_id": problem,
        "question": "q",
        "answer": "1",
        "difficulty": "1",
        "sample": sample,
        "status": status,
        "correct": status is Status.CORRECT and finish is Finish.EOS,
        "tokens": tokens,
        "finish": finish,
        "extracted": None,
        "text": "",
    }
    return EvalRecord(**{**fields, **more})
