"""The worked example of an own task: its problems can be solved, and whatever a response does, it gets a verdict."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tersely.records import Kind, Problem
from tersely.tasks import load_task
from tersely.tasks.prompts import fill, find_template

FOLDER = Path(__file__).parents[2] / "examples" / "code_task"
TEMPLATE = "Write a Python function `{signature}`. {question} Answer with one code block."

SOLUTIONS = {
    "add": "def add(a, b):\n    return a + b",
    "backwards": "def backwards(s):\n    return s[::-1]",
    "count_even": "def count_even(numbers):\n    return sum(n % 2 == 0 for n in numbers)",
    "largest": "def largest(numbers):\n    return max(numbers, default=None)",
    "distinct": "def distinct(items):\n    return list(dict.fromkeys(items))",
    "word_counts": "from collections import Counter\ndef word_counts(text):\n    return dict(Counter(text.split()))",
    "is_prime": "def is_prime(n):\n    return n > 1 and all(n % d for d in range(2, n))",
    "fibonacci": "def fibonacci(n):\n    found = [0, 1]\n    while len(found) < n:\n"
    "        found.append(found[-1] + found[-2])\n    return found[:n]",
}


@pytest.fixture(scope="module")
def verifier() -> Any:
    spec = importlib.util.spec_from_file_location("code_task_verifier", FOLDER / "verifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return load_task(FOLDER / "code.jsonl", "train", template=TEMPLATE, verified=True)


def block(code: str) -> str:
    return f"Here it is:\n```python\n{code}\n```\nDone."


ADD = Problem("x", "Add.", None, Kind.MATH, "s", payload={"entry_point": "add", "tests": [[[1, 2], 3], [[2, 2], 4]]})


def test_every_problem_is_solved_by_its_solution_and_by_no_other(problems: list[Problem], verifier: Any) -> None:
    assert [p.payload["entry_point"] for p in problems] == list(SOLUTIONS)
    for problem in problems:
        passed = [name for name, code in SOLUTIONS.items() if verifier.check(problem, block(code))]
        assert passed == [problem.payload["entry_point"]]
        wrong = SOLUTIONS[passed[0]].replace("return ", "return not ")
        assert not verifier.check(problem, block(wrong))


def test_prompts_show_the_signature_and_never_the_tests(problems: list[Problem]) -> None:
    prompt = fill(find_template(TEMPLATE), problems[0])
    assert prompt == (
        "Write a Python function `add(a, b)`. Return the sum of two integers a and b. Answer with one code block."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "def add(a, b):\n    return 3",
        "def plus(a, b):\n    return a + b",
        "def add(a, b) return a + b",
        "def add(a):\n    return a",
        "def add(a, b):\n    return float(a + b)",
        "import sys\nsys.exit(0)",
        "def add(a, b):\n    raise KeyboardInterrupt",
        "class E(BaseException): pass\nraise E",
        "def add(a, b):\n    return add(a, b)",
        "while True: pass",
        "def add(a, b):\n    while True:\n        try:\n            pass\n        except Exception:\n            pass",
        "def add(a, b):\n    return int(input())",
        "class Yes:\n    def __eq__(self, other):\n        return True\ndef add(a, b):\n    return Yes()",
        "def add(a, b):\n    raise MemoryError",
        "def add(a, b):\n    return '\\ud800'",
        "if __name__ == '__main__':\n    def add(a, b):\n        return a + b",
    ],
)
def test_a_response_that_does_not_do_it_is_wrong_however_it_fails(code: str, verifier: Any) -> None:
    assert verifier.check(ADD, block(code)) is False


@pytest.mark.parametrize("response", ["", "def add(a, b): return a + b", "```python\ndef add(a, b):\n    return a + b"])
def test_a_response_without_a_whole_code_block_is_wrong(response: str, verifier: Any) -> None:
    assert verifier.check(ADD, response) is False


def test_the_last_code_block_counts(verifier: Any) -> None:
    good, bad = block(SOLUTIONS["add"]), block("def add(a, b):\n    return 0")
    assert verifier.check(ADD, bad + good) is True
    assert verifier.check(ADD, good + bad) is False


def test_what_a_response_prints_goes_nowhere_and_the_streams_come_back(
    verifier: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (sys.stdin, sys.stdout, sys.stderr)
    loud = "import sys\nprint('x')\nprint('y', file=sys.stderr)\n" + SOLUTIONS["add"]
    assert verifier.check(ADD, block(loud)) is True
    assert (sys.stdin, sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("", "")


def test_one_response_cannot_change_the_tests_of_the_next(verifier: Any) -> None:
    one = Problem("x", "q", None, Kind.MATH, "s", payload={"entry_point": "f", "tests": [[[[1, 2]], 2]]})
    assert verifier.check(one, block("def f(items):\n    n = len(items)\n    items.clear()\n    return n")) is True
    assert verifier.check(one, block("def f(items):\n    return len(items)")) is True


def test_a_task_without_tests_is_its_authors_mistake_and_no_wrong_answer(verifier: Any) -> None:
    with pytest.raises(KeyError, match="tests"):
        verifier.check(Problem("x", "q", None, Kind.MATH, "s", payload={"entry_point": "f"}), block("f = len"))
