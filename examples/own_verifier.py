"""The verifier of own_task.py, in a module of its own because the processes that judge import it by name."""

from tersely import Problem


def says_both(problem: Problem, response: str) -> float:
    """The share of the problem's two digits that the response says: 1 is correct, less is wrong but worth something."""
    said = set(response.split())
    return sum(digit in said for digit in problem.payload["digits"]) / 2
