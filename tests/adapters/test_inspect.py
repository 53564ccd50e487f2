"""Our judge as a scorer of inspect-ai: what it says of a response. The scorer itself runs in ``scripts/logs inspect``,
and tests/imported reads a log that it scored."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable
from types import SimpleNamespace

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


@pytest.mark.parametrize(("reason", "value"), [("stop", "C"), ("max_tokens", "N"), ("content_filter", "N")])
def test_the_scorer_says_of_an_end_what_an_import_says(
    reason: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, object] = {}
    library = types.ModuleType("inspect_ai.scorer")
    library.scorer = lambda metrics: lambda make: make  # type: ignore[attr-defined]
    library.accuracy = library.stderr = lambda: None  # type: ignore[attr-defined]
    library.Score = lambda **named: made.update(named)  # type: ignore[attr-defined]
    thread = types.ModuleType("anyio.to_thread")

    async def run_sync(function: Callable[..., object], *given: object) -> object:
        return function(*given)

    thread.run_sync = run_sync  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inspect_ai.scorer", library)
    monkeypatch.setitem(sys.modules, "anyio.to_thread", thread)
    inspect._factory.cache_clear()
    output = SimpleNamespace(stop_reason=reason, completion="It is \\boxed{2}.")
    state = SimpleNamespace(output=output, choices=[], input_text="What is 1+1?")
    asyncio.run(judge(workers=1)(state, ["2"]))
    inspect._factory.cache_clear()
    assert made["value"] == value
