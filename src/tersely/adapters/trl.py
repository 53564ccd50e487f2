"""TRL: a reward function for one process, and a mixin of GRPOTrainer that sees whole groups across processes.

A plain reward function of TRL sees the rows of its own process alone, and a group may lie in two. ``WholeGroups``
therefore overrides ``GRPOTrainer._calculate_rewards``, which ends by gathering the rewards of all processes::

    class Trainer(WholeGroups, GRPOTrainer): ...

    Trainer(objective=Objective(alpha=0.2), reward_funcs=Accuracy(), args=GRPOConfig(scale_rewards="none", ...), ...)

TRL takes the group's mean away from what it is given; ``objective.handed`` says what it is given for that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tersely.adapters.rows import Library, credit_rows
from tersely.adapters.trl_rows import Accuracy, rows, text_of
from tersely.errors import UserError
from tersely.objective import FlatCredit, Need, Objective, State
from tersely.objective.flat import places_of
from tersely.objective.handed import Baseline, handed
from tersely.records import FloatArray

__all__ = ["Accuracy", "LengthReward", "WholeGroups", "rows"]

TRL = Library(
    "trl", "1.16", "1.17", frozenset({Need.TRUNCATED, Need.CAP, Need.TEXT, Need.STATE}), takes_mean=True, has_steps=True
)
COLUMNS: Mapping[str, Need] = {"budget": Need.BUDGET, "problem_id": Need.PROBLEM}
"""Columns of a data set that some methods need; the others it may have: answer, kind, problem (``rows``)."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is gathered of one completion beside its score."""

    length: int
    truncated: bool
    text: str | None
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grouping:
    """What of a trainer's settings decides a completion's credit: ``siblings`` rows of one prompt stand together."""

    siblings: int
    cap: int
    end_ids: frozenset[int]

    def row(self, ids: Sequence[int], completion: Any, example: Mapping[str, Any], needs: Collection[Need]) -> Row:
        columns = {name: example[name] for name, need in COLUMNS.items() if need in needs and name in example}
        text = text_of(completion) if Need.TEXT in needs else None
        return Row(len(ids), not ids or ids[-1] not in self.end_ids, text, columns)

    def credit(
        self, objective: Objective, scores_N: Sequence[float], rows: Sequence[Row], state: State | None
    ) -> tuple[FlatCredit, FloatArray]:
        """What each row of whole groups earned, and the rewards to hand to TRL."""
        groups = [i // self.siblings for i in range(len(rows))]
        columns = {name: [row.columns[name] for row in rows] for name in rows[0].columns}
        credit = credit_rows(
            objective, scores_N, [row.length for row in rows], groups, truncated=[row.truncated for row in rows],
            cap=self.cap, texts=[row.text or "" for row in rows], budgets=columns.get("budget"),
            problem_ids=columns.get("problem_id"), state=state,
        )  # fmt: skip
        return credit, handed(credit, places_of(groups), Baseline.MEAN)


def require_settings(args: Any) -> None:
    """UserError for settings of GRPOConfig under which advantages would be other than ours."""
    if args.scale_rewards not in ("none", False):
        raise UserError(
            f"scale_rewards = {args.scale_rewards!r} divides the advantages by a deviation: give GRPOConfig "
            "scale_rewards='none' (Objective(normalize='group') divides by the group's)"
        )
    if args.multi_objective_aggregation != "sum_then_normalize":
        raise UserError("multi_objective_aggregation must be 'sum_then_normalize': the other one scales the rewards")
    if args.reward_weights not in (None, [1.0]):
        raise UserError(f"reward_weights = {args.reward_weights} changes the rewards: leave it out")
    if args.use_vllm and args.vllm_importance_sampling_correction:
        warnings.warn(
            "vllm_importance_sampling_correction leaves long responses out of the loss: set it to False",
            stacklevel=3,
        )


class LengthReward:
    """A reward function that sees whole groups, for one process: ``LengthReward(objective, args, end_ids)``.

    ``args``: the trainer's GRPOConfig; ``end_ids``: what ends a response, as in the model's generation_config;
    ``accuracy``: another reward function, 1 for right, 0 for wrong. It remembers a method's state, but no checkpoint
    does: methods that have one are for ``WholeGroups``, as are schedules. UserError for what cannot be carried.
    """

    def __init__(self, objective: Objective, args: Any, end_ids: Collection[int], accuracy: Any = None) -> None:
        TRL.require()
        require_settings(args)
        alone = Library("trl", TRL.first, TRL.before, TRL.carries - {Need.STATE}, takes_mean=True)
        alone.require_carried(objective, COLUMNS.values())
        objective.check_run(args.num_generations, args.max_completion_length)
        self.objective, self.accuracy = objective, accuracy or Accuracy()
        self.grouping = Grouping(args.num_generations, args.max_completion_length, frozenset(end_ids))

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], **given: Any
    ) -> list[float | None]:
        if len(prompts) % self.grouping.siblings:
            raise UserError(
                f"this process has {len(prompts)} responses, which are no whole groups of {self.grouping.siblings}: a "
                "reward function sees its own process alone; use WholeGroups (tersely.adapters.trl)"
            )
        found = self.accuracy(prompts=prompts, completions=completions, completion_ids=completion_ids, **given)
        examples = [{name: given[name][i] for name in COLUMNS if name in given} for i in range(len(prompts))]
        of_rows = zip(completion_ids, completions, examples, strict=True)
        rows = [self.grouping.row(*row, self.objective.needs) for row in of_rows]
        known = [math.nan if score is None else score for score in found]
        credit, rewards_N = self.grouping.credit(self.objective, known, rows, None)
        if "log_extra" in given:
            given["log_extra"]("tersely_reward", credit.rewards_N.tolist())
        return [float(r) if counted else None for r, counted in zip(rewards_N, credit.counted_N, strict=True)]


class WholeGroups:
    """Mixin of GRPOTrainer: one accuracy (``reward_funcs``) becomes the objective's advantages, across processes.

    The method's state stands in TRL's trainer_state.json, so that a resumed run goes on with it.
    """

    def __init__(self, *args: Any, objective: Objective, **kwargs: Any) -> None:
        TRL.require()
        super().__init__(*args, **kwargs)
        trainer: Any = self
        require_settings(trainer.args)
        if len(trainer.reward_funcs) != 1:
            raise UserError(f"{len(trainer.reward_funcs)} reward functions are given: give one, the accuracy")
        columns = getattr(trainer.train_dataset, "column_names", None) or ()
        TRL.require_carried(objective, [need for name, need in COLUMNS.items() if name in columns])
        objective.check_run(trainer.num_generations, trainer.max_completion_length)
        self.objective = objective

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        from accelerate.utils import gather_object

        trainer: Any = self
        column: Any = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)  # type: ignore[misc]
        training, grouping = trainer.model.training, self._grouping()
        of_rows = zip(completion_ids_list, completions, inputs, strict=True)
        rows = gather_object([grouping.row(*row, self.objective.needs) for row in of_rows])
        state = trainer.state.stateful_callbacks.get("tersely")
        credit, rewards_N = grouping.credit(self._now(), column[:, 0].tolist(), rows, state)
        if training and credit.state is not None:
            trainer.state.stateful_callbacks["tersely"] = dict(credit.state)
        first = trainer.accelerator.process_index * len(prompts)
        trainer._log_metric("tersely/accuracy", float(column[:, 0].nanmean()))
        trainer._log_completion_extra("tersely_reward", credit.rewards_N[first : first + len(prompts)].tolist())
        given = column.new_tensor(rewards_N)
        given[[not counted for counted in credit.counted_N.tolist()]] = math.nan
        return given[:, None]

    def _grouping(self) -> Grouping:
        trainer: Any = self
        siblings = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
        return Grouping(siblings, trainer.max_completion_length, frozenset(trainer.eos_token_ids))

    def _now(self) -> Objective:
        """The objective of this batch of responses, the first of which is step 1."""
        trainer: Any = self
        each = trainer.args.steps_per_generation * trainer.num_iterations
        return self.objective.at(trainer.state.global_step * trainer.args.gradient_accumulation_steps // each + 1)
