"""From sampled responses to verdicts: the one place where truncation and judging meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from laconic.records import Finish, Problem, Rollout, Status, Verdict
from laconic.verify.judge import Judge


def judge_rollouts(judge: Judge, pairs: Sequence[tuple[Problem, Rollout]]) -> list[Verdict]:
    """Verdicts in order. A response that did not finish by itself has no answer, whatever it says."""
    finished = [i for i, (_, rollout) in enumerate(pairs) if rollout.finish is Finish.EOS]
    found = judge.judge([(pairs[i][0].answer, pairs[i][1].text, pairs[i][0].kind) for i in finished])
    verdicts = [Verdict(Status.NO_ANSWER, None, f"unfinished: {r.finish}") for _, r in pairs]
    for i, verdict in zip(finished, found, strict=True):
        verdicts[i] = verdict
    return verdicts


def begin_on_rollouts(judge: Judge, problems: Iterable[Problem]) -> Callable[[Rollout], None]:
    """What a sampler may call with each response to these problems as it ends; ``judge_rollouts`` collects."""
    of_id = {problem.id: problem for problem in problems}

    def begin(rollout: Rollout) -> None:
        problem = of_id[rollout.problem_id]
        if rollout.finish is Finish.EOS:
            judge.begin((problem.answer, rollout.text, problem.kind))

    return begin
