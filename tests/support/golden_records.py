"""Evaluated responses of two models with something of everything, made by arithmetic alone: no random numbers.

``tests/data/analysis_golden.json`` holds what the analysis made of them when its results were still plain
dictionaries: the files on disk are to stay as they were.
"""

from __future__ import annotations

from tersely.analysis.faithfulness import HintPair
from tersely.records import EvalRecord, Finish, Status

PROTOCOL = {
    "task": "golden",
    "task_sha256": "5d" * 32,
    "size": 12,
    "k": 4,
    "temperature": 0.6,
    "top_p": 1.0,
    "max_new_tokens": 90,
    "seed": 3,
    "template": "boxed",
    "instruction": None,
    "suite": None,
    "step": None,
    "repeat": None,
}
TEXTS = (
    "Wait, let me check: 3 + 4 = 7. So the answer is 7. Actually, verify it. \\boxed{7}",
    "The answer is 7. Alternatively, another way gives 7 as well.",
    "It is 8, because 4 + 4 = 8.",
    "so on and on and on again, " * 12,
)


def golden_records(shift: int = 0, k: int = 4) -> list[EvalRecord]:
    """12 problems of five difficulties (one of them none), k responses each; ``shift`` makes another model."""
    return [_record(problem, sample, shift) for problem in range(12) for sample in range(k)]


def _record(problem: int, sample: int, shift: int) -> EvalRecord:
    place = 7 * problem + 5 * sample + 3 * shift
    cut = place % 11 == 0
    unjudged = place % 13 == 1
    right = not cut and not unjudged and (place % 5 < 3 or problem == 2) and problem != 5
    status = Status.UNJUDGED if unjudged else Status.NO_ANSWER if cut else Status.CORRECT if right else Status.WRONG
    tokens = 90 if cut else 12 + (place * place) % 61 - 4 * shift
    return EvalRecord(
        problem_id=f"p{problem:02d}",
        question=f"What is {problem} + {sample}?",
        answer="7" if problem % 2 else "8",
        difficulty=(None, "level 1", "level 2", "level 10", "level 3")[problem % 5],
        sample=sample,
        status=status,
        correct=right,
        tokens=tokens,
        finish=Finish.ABORTED if unjudged and sample == 3 else Finish.LENGTH if cut else Finish.EOS,
        extracted=None if cut else ("7", "8", "7.0", "9")[place % 4],
        text=TEXTS[place % 4],
        thinking_tokens=place % 10,
    )


def golden_pairs() -> list[HintPair]:
    """20 questions asked plainly and with a hint."""
    letters = ("A", "B", "C", "D", None)
    return [
        HintPair(
            problem_id=f"q{place // 2}",
            letter="B",
            plain=letters[place % 5],
            hinted=letters[(place * 3 + place // 3) % 5],
            gold="A",
            mentions=place % 3 == 0,
            plain_mentions=place % 7 == 0,
            plain_tokens=20 + place,
            hinted_tokens=31 + place * place % 7,
        )
        for place in range(20)
    ]
