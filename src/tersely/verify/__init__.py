"""The answer checker: extract the final answer of a response, compare it with the gold answer, say why.

>>> from tersely.verify import Judge
>>> from tersely.records import Kind
>>> with Judge() as judge:
...     judge.judge([("1/2", r"So it is \\boxed{0.5}.", Kind.MATH)])[0].status
<Status.CORRECT: 'CORRECT'>
"""

from tersely.verify.extract import Extraction, extract
from tersely.verify.judge import VERSION, Judge, verdict_key
from tersely.verify.lines import verify_lines

__all__ = ["VERSION", "Extraction", "Judge", "extract", "verdict_key", "verify_lines"]
