"""The answer checker: extract the final answer of a response, compare it with the gold answer, say why.

>>> from tersely.verify import Judge
>>> from tersely.records import Kind
>>> with Judge() as judge:
...     judge.judge([("1/2", r"So it is \\boxed{0.5}.", Kind.MATH)])[0].status
<Status.CORRECT: 'CORRECT'>
"""

from tersely.verify.extract import Extraction, extract
from tersely.verify.judge import Judge
from tersely.verify.keys import VERSION, verdict_key, verifier_key
from tersely.verify.kinds import KINDS, AnswerKind
from tersely.verify.lines import verify_lines
from tersely.verify.verifier import Verifier

__all__ = [
    "KINDS",
    "VERSION",
    "AnswerKind",
    "Extraction",
    "Judge",
    "Verifier",
    "extract",
    "verdict_key",
    "verifier_key",
    "verify_lines",
]
