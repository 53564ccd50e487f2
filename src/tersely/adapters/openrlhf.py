"""OpenRLHF: whole groups behind a barrier, in an AgentExecutor.

OpenRLHF draws all siblings of a prompt on one event loop, with one object of sampling parameters, and asks one executor
for each response. Ours lets a response wait until its last sibling is there, and then gives each its reward: with
``--algo.advantage.estimator rloo`` the advantages are ours (``objective.handed``). An agent's file is two lines::

    from tersely.adapters.openrlhf import agent_executor
    AgentExecutor = agent_executor(alpha=0.2)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tersely.adapters.grading import problem_of, scores, shared_judge
from tersely.adapters.rows import Library, credit_rows, objective_of
from tersely.errors import in_one_line
from tersely.objective import FlatCredit, Need, Objective
from tersely.objective.handed import Baseline, handed
from tersely.records import FloatArray

OPENRLHF = Library("openrlhf", "0.11.2", "0.12", frozenset({Need.TRUNCATED, Need.CAP, Need.TEXT}), takes_mean=True)


@dataclass(frozen=True, slots=True)
class Response:
    """What is known of one response when it ends."""

    score: float
    length: int
    truncated: bool
    text: str


def group_credit(objective: Objective, responses: Sequence[Response], cap: int | None) -> tuple[FlatCredit, FloatArray]:
    """What the siblings earned, and the rewards from which OpenRLHF's rloo makes the same advantages."""
    credit = credit_rows(
        objective,
        [r.score for r in responses],
        [r.length for r in responses],
        [0] * len(responses),
        truncated=[r.truncated for r in responses],
        cap=cap,
        texts=[r.text for r in responses],
    )
    return credit, handed(credit, {0: range(len(responses))}, Baseline.RLOO)


@dataclass
class Barrier:
    """Siblings that began and those that have ended. ``asked_by`` keeps the object alive by whose id it is known."""

    asked_by: Any
    cap: int | None
    begun: int = 0
    responses: list[Response] = field(default_factory=list)
    credit: asyncio.Future[tuple[FlatCredit, FloatArray]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Groups:
    """Barriers of the groups that are being drawn, one for each object of sampling parameters."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._open: dict[int, Barrier] = {}

    async def begin(self, asked_by: Any) -> None:
        """A sibling begins. OpenRLHF starts all of a prompt at once, so each has begun before the first goes on."""
        barrier = self._open.setdefault(id(asked_by), Barrier(asked_by, getattr(asked_by, "max_tokens", None)))
        barrier.begun += 1
        await asyncio.sleep(0)

    async def credit(self, asked_by: Any, response: Response) -> tuple[float, float, float]:
        """(reward to hand over, shaped reward, advantage) once the last sibling has come."""
        barrier = self._open[id(asked_by)]
        place = len(barrier.responses)
        barrier.responses.append(response)
        if len(barrier.responses) == barrier.begun:
            del self._open[id(asked_by)]
            try:
                barrier.credit.set_result(group_credit(self.objective, barrier.responses, barrier.cap))
            except Exception as error:  # every sibling must hear of it, or they wait for ever
                barrier.credit.set_exception(error)
        credit, handed_G = await barrier.credit
        return float(handed_G[place]), float(credit.rewards_N[place]), float(credit.advantages_N[place])

    def fail(self, asked_by: Any, error: BaseException) -> None:
        """A sibling never comes: those that wait for it end too."""
        barrier = self._open.pop(id(asked_by), None)
        if barrier is not None and barrier.responses:
            barrier.credit.set_exception(RuntimeError(f"a response to the same prompt failed: {in_one_line(error)}"))


def agent_executor(*, verifier: str | None = None, opened: bool = False, **objective: Any) -> type[Any]:
    """The class that an agent's file calls ``AgentExecutor``.

    ``objective``: keys of that section. A prompt's label is its gold answer, or a problem as ``grading.described``
    writes it; ``opened``: the prompts open a thought. UserError where OpenRLHF is absent, and for an objective that it
    cannot carry.
    """
    OPENRLHF.require()
    chosen = objective_of(objective)
    OPENRLHF.require_carried(chosen)
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    class TerselyExecutor(SingleTurnAgentExecutor):  # type: ignore[misc]
        """Draws as OpenRLHF does, and rewards whole groups."""

        def __init__(self) -> None:
            super().__init__()
            self.groups = Groups(chosen)

        async def execute(self, prompt: Any, label: Any, sampling_params: Any, *rest: Any, **more: Any) -> Any:
            tokenizer = more["hf_tokenizer"] if "hf_tokenizer" in more else rest[1]
            await self.groups.begin(sampling_params)
            try:
                drawn = await super().execute(prompt, label, sampling_params, *rest, **more)
                response = await asyncio.to_thread(judged, drawn, tokenizer, verifier, opened)
            except BaseException as error:
                self.groups.fail(sampling_params, error)
                raise
            reward, shaped, advantage = await self.groups.credit(sampling_params, response)
            logs = {"shaped_reward": shaped, "unjudged": float(response.score < 0), "advantage": advantage}
            right = 0.0 if response.truncated else max(response.score, 0.0)
            return {**drawn, "reward": reward, "scores": right, "extra_logs": logs}

    return TerselyExecutor


def judged(drawn: dict[str, Any], tokenizer: Any, verifier: str | None, opened: bool) -> Response:
    """The response of OpenRLHF's own executor, with its score."""
    (start, end), *_ = drawn["action_ranges"]
    text = tokenizer.decode(drawn["observation_tokens"][start:end], skip_special_tokens=True)
    label = drawn["label"]
    is_problem = isinstance(label, str) and label.startswith('{"id"')
    problem = problem_of(None, label) if is_problem else problem_of(label, question=str(drawn["prompt"]))
    (score,) = scores([problem], [text], shared_judge(verifier), [opened])
    return Response(score, end - start, bool(drawn["truncated"]), text)
