"""Where problems become judged groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from graders import ParityJudge
from tersely.models.text import ResponseText
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict
from tersely.rollouts import respond
from tersely.samplers import Prompt, Sampling
from tersely.verify import Judge
from tiny_models import make_tokenizer

PROBLEMS = [Problem(name, "?", gold, Kind.MATH, "test") for name, gold in (("a", "42"), ("b", "7"))]
PROMPTS = {"a": (1, 2), "b": (3,)}


class Script:
    """A sampler that says what it was told to."""

    def __init__(self, said: dict[tuple[str, int], tuple[str, Finish]]) -> None:
        self.said = said

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, on_progress: Any, on_finished: Any) -> Any:
        found = []
        for prompt in prompts:
            for index in range(prompt.first_sample, prompt.first_sample + sampling.n):
                text, finish = self.said[prompt.problem_id, index]
                found.append(Rollout(prompt.problem_id, index, prompt.tokens, (5, 6), None, text, finish, 0))
                on_finished(found[-1])
        return found

    def load_weights(self, model: Any, version: int) -> None: ...

    def close(self) -> None: ...


def test_groups_come_in_order_with_a_verdict_a_response() -> None:
    right, wrong = ("\\boxed{42}", Finish.EOS), ("\\boxed{7}", Finish.EOS)
    said = {("a", 2): right, ("a", 3): wrong, ("b", 2): right, ("b", 3): wrong}
    laps: list[str] = []
    with Judge(workers=1) as judge:
        groups = respond(
            PROBLEMS,
            PROMPTS,
            Script(said),
            judge,
            Sampling(2, 9),
            first_sample=2,
            on_sampled=lambda: laps.append("sampled"),
        )
    assert [group.problem.id for group in groups] == ["a", "b"]
    assert [group.correct_G.tolist() for group in groups] == [[True, False], [False, True]]
    assert [[r.index for r in group.rollouts] for group in groups] == [[2, 3], [2, 3]]
    assert laps == ["sampled"]


@pytest.mark.parametrize("finish", [Finish.LENGTH, Finish.ABORTED])
def test_a_response_that_did_not_end_by_itself_is_never_correct_whatever_it_says(finish: Finish) -> None:
    said = {("a", 0): ("\\boxed{42}", finish), ("a", 1): ("\\boxed{42}", Finish.EOS)}
    with Judge(workers=1) as judge:
        group = respond(PROBLEMS[:1], PROMPTS, Script(said), judge, Sampling(2, 9))[0]
    assert [v.status for v in group.verdicts] == [Status.NO_ANSWER, Status.CORRECT]
    assert group.truncated_G.tolist() == [True, False]


@pytest.mark.parametrize("special", [True, False, None])
def test_thinking_that_the_prompt_opened_and_the_response_never_ends_has_no_answer(special: bool | None) -> None:
    """`<think>` as a special token, as an added one, and spelled with several tokens."""
    tokenizer = make_tokenizer()
    if special is not None:
        tokenizer.add_tokens(["<think>", "</think>"], special_tokens=special)
    reading = ResponseText(tokenizer)
    said = {
        ("a", 0): ("maybe \\boxed{42}, let me see", Finish.EOS),
        ("a", 1): ("so </think>\n\\boxed{42}", Finish.EOS),
        ("a", 2): ("so </think> <think> again \\boxed{42}", Finish.EOS),
    }
    asked: list[str] = []

    def statuses(prompt: str) -> list[Status]:
        prompts = {"a": tuple(tokenizer.encode(prompt, add_special_tokens=False))}
        with Judge(workers=1, verifier=None) as judge:
            judge.begin_grading = lambda _, text: asked.append(text)  # type: ignore[method-assign]
            group = respond(PROBLEMS[:1], prompts, Script(said), judge, Sampling(3, 9), reading=reading)[0]
        return [v.status for v in group.verdicts]

    ended = [Status.CORRECT, Status.CORRECT, Status.NO_ANSWER]
    assert statuses("<|user|>What?<|assistant|><think>\n") == [Status.NO_ANSWER, Status.CORRECT, Status.NO_ANSWER]
    assert asked == [said["a", 1][0]]
    assert statuses("<|user|>What?<|assistant|>") == ended
    assert statuses("<|user|>What?<|assistant|><think>\n\n</think>\n\n") == ended
    assert statuses("<|user|>Use <think> tags.<|assistant|>") == ended


def test_a_verifier_is_not_asked_about_thinking_that_never_ends() -> None:
    tokenizer = make_tokenizer()
    prompts = {"a": tuple(tokenizer.encode("<|assistant|><think>\n"))}
    said = {("a", 0): ("42", Finish.EOS), ("a", 1): ("</think>42", Finish.EOS)}
    judge = ParityJudge()
    group = respond(PROBLEMS[:1], prompts, Script(said), judge, Sampling(2, 9), reading=ResponseText(tokenizer))[0]
    assert group.verdicts[0].status is Status.NO_ANSWER
    assert group.verdicts[1].status is not Status.NO_ANSWER


def test_a_group_whose_unfinished_response_is_called_correct_cannot_be_made() -> None:
    rollout = Rollout("a", 0, (1,), (2,), None, "\\boxed{42}", Finish.LENGTH, 0)
    with pytest.raises(ValueError, match="never correct"):
        Group(PROBLEMS[0], (rollout,), (Verdict(Status.CORRECT, "42", "equal strings"),))
