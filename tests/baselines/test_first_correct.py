"""First-correct solutions: thinking cut where it is first right, ids as they were sampled, the answer kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tersely.baselines.first_correct import first_correct, shortest_first_correct
from tersely.baselines.run import examples_of
from tersely.baselines.trainers import Example
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict
from tersely.verify.visible import graded

PROBLEM = Problem("p", "What is 3 + 4?", "7", Kind.MATH, "test")


def read(tokens: Sequence[int]) -> str:
    """A token a character."""
    return "".join(map(chr, tokens))


def rollout(text: str, index: int = 0) -> Rollout:
    return Rollout("p", index, (1, 2), tuple(map(ord, text)), None, text, Finish.EOS, 0)


def cut(text: str) -> str | None:
    found = first_correct(PROBLEM, rollout(text), "7", read)
    return None if found is None else read(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<think>3 and 4, so the sum is 7. Wait, let me check: 4 + 3 = 7. Yes.</think>The answer is \\boxed{7}.",
            "<think>3 and 4, so the sum is 7.</think>The answer is \\boxed{7}.",
        ),
        ("First I get 8. No: the answer is 7\nSure?\n</think>\n7", "First I get 8. No: the answer is 7\n</think>\n7"),
        ("<think>It is 7.</think>7", None),  # nothing stands behind it
        ("<think>It is 8. Or 9.</think>7", None),  # the thinking never says it
        ("It is 7. Wait, let me check. Yes, it is 7.", None),  # no mark ends a thought
        ("<think>It is 7. Hmm. It is 8.", None),
    ],
)
def test_thinking_ends_with_the_sentence_that_is_first_right(text: str, expected: str | None) -> None:
    assert cut(text) == expected


words = st.lists(
    st.sampled_from(["it is 7.", "so 8.", "Wait,", "let me check", "4 + 3 = 7.", "\n", "hmm"]), max_size=12
)


@settings(max_examples=100, deadline=None)
@given(words, st.sampled_from(["7", "\\boxed{7}", "The answer is 7."]))
def test_what_the_judge_sees_stays_and_the_response_gets_shorter(thinking: list[str], answer: str) -> None:
    text = f"<think>{' '.join(thinking)}</think>{answer}"
    found = cut(text)
    if found is not None:
        assert graded(found) == graded(text) == answer
        assert len(found) < len(text)
        assert text.startswith(found[: -len(f"</think>{answer}")])
        assert cut(found) is None, "there is nothing more to cut"


LONG = "<think>It is 7. Now once more from the start, slowly: 7.</think>7"
SHORT = "<think>Well, well, well, it is 7. Yes.</think>7"
WHOLE = "<think>Is it 8?</think>7"
WRONG = "<think>It is 7. No, 8.</think>8"


def group(*responses: tuple[str, Status]) -> Group:
    rollouts = tuple(rollout(text, i) for i, (text, _) in enumerate(responses))
    verdicts = tuple(Verdict(status, "7", "") for _, status in responses)
    return Group(PROBLEM, rollouts, verdicts)


def test_the_shortest_form_of_any_correct_response_is_taken_and_the_longest_response_rejected() -> None:
    found = group((WRONG, Status.WRONG), (SHORT, Status.CORRECT), (LONG, Status.CORRECT), (WHOLE, Status.CORRECT))
    form = tuple(map(ord, "<think>It is 7.</think>7"))
    assert shortest_first_correct(found, read) == form, "of the longer response, whose first solution is shorter"
    assert examples_of("sft", [found], read) == [Example((1, 2), form)]
    assert examples_of("dpo", [found], read) == [Example((1, 2), form, tuple(map(ord, LONG)))]


def test_a_problem_whose_responses_cannot_be_cut_gives_no_example() -> None:
    assert examples_of("dpo", [group((WHOLE, Status.CORRECT), (WRONG, Status.WRONG))], read) == []
