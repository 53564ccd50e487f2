"""From problems to judged groups: the only place that samples and judges.

Training, evaluation, baselines' samples, faithfulness and the probe all ask here. That a response which did not finish
by itself, or that stays in a thought which its prompt opened, is never correct is decided here and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tersely.errors import UserError
from tersely.records import Finish, Group, JsonObject, Problem, Rollout, Status, Verdict
from tersely.samplers.base import Finished, Progress, Prompt, Sampler, Sampling
from tersely.tasks.load import Task, load_task
from tersely.tasks.prompts import PromptIds
from tersely.tasks.sources import Split, Unjudgeable, shown
from tersely.verify import Judge
from tersely.verify.published import PublishedJudge
from tersely.verify.verifier import Verifier
from tersely.verify.visible import graded


class Grader(Protocol):
    """Says what responses are worth: ``tersely.verify.Judge``, or anything with the same two methods."""

    def begin_grading(self, problem: Problem, text: str) -> None:
        """May begin on a response while others are still sampled; must return at once."""

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, response text), in order."""


class Reading(Protocol):
    """Knows which prompts open a thought, which the response then has to close: ``models.text.ResponseText``."""

    def opens_thinking(self, prompt: Sequence[int]) -> bool: ...


def respond(
    problems: Sequence[Problem],
    prompts: PromptIds,
    sampler: Sampler,
    judge: Grader,
    sampling: Sampling,
    *,
    reading: Reading | None = None,
    first_sample: int = 0,
    on_progress: Progress | None = None,
    on_finished: Finished | None = None,
    on_sampled: Callable[[], None] | None = None,
) -> list[Group]:
    """``sampling.n`` judged responses to each problem, in the order given.

    Checking hides behind sampling: the judge may begin on each response as it ends, and ``on_finished`` is told of it.
    ``on_sampled`` is called between the last response and the first verdict waited for (a clock's lap).
    ``first_sample`` numbers the siblings, so that a later call can go on where one stopped. ``reading`` reads prompts
    of the model's tokenizer, to know which of them open a thought (None: none of them). Errors are those of the sampler
    and of the judge.
    """
    of_id = {problem.id: problem for problem in problems}
    opened = {name for name in of_id if reading is not None and reading.opens_thinking(prompts[name])}

    def begin(rollout: Rollout) -> None:
        if _unfinished(rollout, opened) is None:
            judge.begin_grading(of_id[rollout.problem_id], rollout.text)
        if on_finished is not None:
            on_finished(rollout)

    asked = [Prompt(problem.id, prompts[problem.id], first_sample) for problem in problems]
    rollouts = sampler.generate(asked, sampling, on_progress, begin)
    if on_sampled is not None:
        on_sampled()
    verdicts = judged([(problems[i // sampling.n], rollout) for i, rollout in enumerate(rollouts)], judge, opened)
    cuts = [slice(i, i + sampling.n) for i in range(0, len(rollouts), sampling.n)]
    return [Group(p, tuple(rollouts[c]), tuple(verdicts[c])) for p, c in zip(problems, cuts, strict=True)]


def judged(pairs: Sequence[tuple[Problem, Rollout]], judge: Grader, opened: Collection[str]) -> list[Verdict]:
    """Verdicts in order. An unfinished response has no answer, whatever it says; ``opened``: ids of the problems whose
    prompts open a thought."""
    reasons = [_unfinished(rollout, opened) for _, rollout in pairs]
    found = iter(judge.grade([(p, r.text) for (p, r), reason in zip(pairs, reasons, strict=True) if reason is None]))
    return [next(found) if reason is None else Verdict(Status.NO_ANSWER, None, reason) for reason in reasons]


def _unfinished(rollout: Rollout, opened: Collection[str]) -> str | None:
    """Why a response has no answer whatever it says; None where it is to be judged. ``opened``: ids of the problems
    whose prompts open a thought."""
    if rollout.finish is not Finish.EOS:
        return f"unfinished: {rollout.finish}"
    if rollout.problem_id in opened and graded(rollout.text, opened=True) is None:
        return "the thinking never ends"
    return None


def unjudged_words(verdicts: Sequence[Verdict]) -> str | None:
    """How many answers could not be judged, and three reasons; None where all could be."""
    unjudged = [v for v in verdicts if v.status is Status.UNJUDGED]
    if not unjudged:
        return None
    reasons = "; ".join(v.reason if v.extracted is None else f"{v.extracted!r}: {v.reason}" for v in unjudged[:3])
    share = len(unjudged) / len(verdicts)
    return f"{len(unjudged)} of {len(verdicts)} answers could not be judged ({share:.1%}), such as {reasons}"


@contextlib.contextmanager
def judge_for(
    given: Grader | None, workers: int, verifier: Verifier | str | None = None, policy: str | None = None
) -> Iterator[Grader]:
    """The judge that was given, or one of our own for as long as the context lasts.

    With the verifier if any, or under the policy if any. UserError for a policy beside another judge.
    """
    if policy is not None and (given is not None or verifier is not None):
        raise UserError(f"the policy {policy} is a rule of our own judge: leave the verifier out, or the policy")
    if given is not None:
        yield given
        return
    with PublishedJudge(workers, policy) if policy is not None else Judge(workers=workers, verifier=verifier) as own:
        yield own


def verifier_of(judge: Grader) -> str | None:
    """What decides in place of our answer kinds, so that gold answers mean nothing: the name of the judge's verifier,
    or of a judge that is not one of ours; None where our kinds decide."""
    if not isinstance(judge, Judge):
        return f"{type(judge).__module__}:{type(judge).__qualname__}"
    return None if judge.verifier is None else str(judge.verifier)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task's problems, and those that were left out because their gold answers cannot be judged."""

    problems: list[Problem]
    dropped: tuple[Unjudgeable, ...] = ()

    @property
    def identity(self) -> JsonObject:
        """What a run remembers of the dropped ones; nothing where there are none."""
        return {"dropped": [one.id for one in self.dropped]} if self.dropped else {}

    @property
    def report(self) -> JsonObject:
        """What a summary says of the dropped ones; nothing where there are none."""
        return {"dropped": [one.to_json() for one in self.dropped]} if self.dropped else {}

    def words(self) -> str | None:
        """Which ones were left out, in one sentence; None for none."""
        if not self.dropped:
            return None
        told = shown(self.dropped, [one.place for one in self.dropped])
        return f"{len(self.dropped)} problems are left out, as their gold answers cannot be judged: {told}"


def load_problems(
    task: Task, split: Split, size: int | None, judge: Grader, template: str = "question", *, drop: bool = False
) -> Loaded:
    """``tasks.load_task`` for problems that ``judge`` will grade; ``drop`` leaves out what it cannot."""
    check_golds = judge.check_golds if isinstance(judge, Judge) else None
    verified = verifier_of(judge) is not None
    dropped: list[Unjudgeable] = []
    left_out = dropped.extend if drop and not verified else None
    problems = load_task(task, split, size, check_golds, template=template, verified=verified, left_out=left_out)
    return Loaded(problems, tuple(dropped))
