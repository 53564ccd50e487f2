"""Our judge as a scorer of inspect-ai: what it says of a response. The scorer itself runs in ``scripts/logs inspect``,
and tests/imported reads a log that it scored."""

from __future__ import annotations

import sys

import pytest

from tersely.adapters import inspect
from tersely.adapters.inspect import judge, verdict
from tersely.errors import UserError
from tersely.records import Finish, Kind, Status
from tersely.verify import Judge


def said(text: str, *targets: str, finish: Finish = Finish.EOS, kind: str = Kind.MATH) -> Status:
    with Judge(workers=1) as by:
        return verdict(text, finish, targets, "What is 1+1?", kind, by).status


def test_any_of_several_targets_will_do() -> None:
    assert said("It is \\boxed{2}.", "3", "2") is Status.CORRECT
    assert said("It is \\boxed{2}.", "3", "4") is Status.WRONG
    assert said("No idea.", "3", "4") is Status.NO_ANSWER


def test_what_was_cut_off_has_no_answer() -> None:
    assert said("It is \\boxed{2}.", "2", finish=Finish.LENGTH) is Status.NO_ANSWER


def test_a_choice_is_compared_as_one() -> None:
    assert said("The answer is (B).", "B", kind=Kind.CHOICE) is Status.CORRECT


def test_every_verdict_has_a_value_that_inspect_knows() -> None:
    assert set(inspect.GRADES) == set(Status)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    inspect._factory.cache_clear()
    monkeypatch.setitem(sys.modules, "inspect_ai.scorer", None)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(UserError, match=r"needs inspect-ai: pip install .*inspect"):
        judge()
