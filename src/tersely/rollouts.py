"""From problems to judged groups: the only place that samples and judges.

Training, evaluation, baselines' samples, faithfulness and the probe all ask here. That a response which did not finish
by itself is never correct is decided here and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from tersely.records import Finish, Group, Problem, Rollout, Status, Verdict
from tersely.samplers.base import Progress, Prompt, Sampler, Sampling
from tersely.tasks.load import Task, load_task
from tersely.tasks.sources import Split
from tersely.verify import Judge
from tersely.verify.verifier import Verifier

PromptIds = Mapping[str, tuple[int, ...]]
"""Problem id -> prompt token ids as fed to the model."""


class Grader(Protocol):
    """Says what responses are worth: ``tersely.verify.Judge``, or anything with the same two methods."""

    def begin_grading(self, problem: Problem, text: str) -> None:
        """May begin on a response while others are still sampled; must return at once."""

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, response text), in order."""


def respond(
    problems: Sequence[Problem],
    prompts: PromptIds,
    sampler: Sampler,
    judge: Grader,
    sampling: Sampling,
    *,
    first_sample: int = 0,
    on_progress: Progress | None = None,
    on_sampled: Callable[[], None] | None = None,
) -> list[Group]:
    """``sampling.n`` judged responses to each problem, in the order given.

    Checking hides behind sampling: the judge may begin on each response as it ends. ``on_sampled`` is called between
    the last response and the first verdict waited for (a clock's lap). ``first_sample`` numbers the siblings, so that
    a later call can go on where one stopped. Errors are those of the sampler and of the judge.
    """
    of_id = {problem.id: problem for problem in problems}

    def begin(rollout: Rollout) -> None:
        if rollout.finish is Finish.EOS:
            judge.begin_grading(of_id[rollout.problem_id], rollout.text)

    asked = [Prompt(problem.id, prompts[problem.id], first_sample) for problem in problems]
    rollouts = sampler.generate(asked, sampling, on_progress, begin)
    if on_sampled is not None:
        on_sampled()
    verdicts = _verdicts([(problems[i // sampling.n], rollout) for i, rollout in enumerate(rollouts)], judge)
    cuts = [slice(i, i + sampling.n) for i in range(0, len(rollouts), sampling.n)]
    return [Group(p, tuple(rollouts[c]), tuple(verdicts[c])) for p, c in zip(problems, cuts, strict=True)]


def _verdicts(pairs: Sequence[tuple[Problem, Rollout]], judge: Grader) -> list[Verdict]:
    """Verdicts in order. A response that did not finish by itself has no answer, whatever it says."""
    finished = [i for i, (_, rollout) in enumerate(pairs) if rollout.finish is Finish.EOS]
    found = judge.grade([(pairs[i][0], pairs[i][1].text) for i in finished])
    verdicts = [Verdict(Status.NO_ANSWER, None, f"unfinished: {r.finish}") for _, r in pairs]
    for i, verdict in zip(finished, found, strict=True):
        verdicts[i] = verdict
    return verdicts


def unjudged_words(verdicts: Sequence[Verdict]) -> str | None:
    """How many answers could not be judged, and three reasons; None where all could be."""
    unjudged = [v for v in verdicts if v.status is Status.UNJUDGED]
    if not unjudged:
        return None
    reasons = "; ".join(v.reason if v.extracted is None else f"{v.extracted!r}: {v.reason}" for v in unjudged[:3])
    share = len(unjudged) / len(verdicts)
    return f"{len(unjudged)} of {len(verdicts)} answers could not be judged ({share:.1%}), such as {reasons}"


@contextlib.contextmanager
def judge_for(given: Grader | None, workers: int, verifier: Verifier | str | None = None) -> Iterator[Grader]:
    """The judge that was given, or one of our own (with the verifier if any) for as long as the context lasts."""
    if given is not None:
        yield given
        return
    with Judge(workers=workers, verifier=verifier) as own:
        yield own


def verifier_of(judge: Grader) -> str | None:
    """What decides in place of our answer kinds, so that gold answers mean nothing: the name of the judge's verifier,
    or of a judge that is not one of ours; None where our kinds decide."""
    if not isinstance(judge, Judge):
        return f"{type(judge).__module__}:{type(judge).__qualname__}"
    return None if judge.verifier is None else str(judge.verifier)


def load_problems(
    task: Task, split: Split, size: int | None, judge: Grader, template: str = "question"
) -> list[Problem]:
    """``tasks.load_task`` for problems that ``judge`` will grade."""
    check_golds = judge.check_golds if isinstance(judge, Judge) else None
    return load_task(task, split, size, check_golds, template=template, verified=verifier_of(judge) is not None)
