"""The settings of a run that change no step of it: how many, on what, what stays."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tersely.section import Section


class RunConfig(Section):
    steps: Annotated[int, Field(ge=1)] = 100
    """Iterations: sample, judge, update."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    """Steps between checkpoints; a run goes on from the last."""
    keep: Annotated[int, Field(ge=2)] = 2
    """Checkpoints kept with all that a run goes on from; of older ones checkpoint.weights_only keeps the weights."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 leaves torch's own choice."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0. auto: a GPU where torch sees one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of forward, backward and sampling; master weights and optimizer are fp32. auto: bfloat16 on a GPU."""
    judge_workers: Annotated[int, Field(ge=1)] = 2
    """Processes that judge answers."""
    probe: Annotated[int, Field(ge=0)] | None = None
    """Problems answered once by the base before the first step, to see how many responses the cap truncates. none: 32
    on a GPU, 0 on a CPU."""
    oversample: Annotated[float, Field(ge=1.0, le=10.0)] = 1.0
    """Problems sampled for each one of sampling.prompts, to take the place of groups that objective.filter leaves out
    (dynamic sampling); what is still too many is left out, what is too few is trained on as it is."""
    report_to: str = "none"
    """A tracker that is told of every step: none, trackio, wandb or tensorboard (each needs the extra of its name)."""
    cap_schedule: str = "constant"
    """How much of sampling.max_new_tokens a step has: constant (all), linear (from start to end over steps), stages
    (caps, each for steps), or your own as package.module:Name."""
    cap_settings: dict[str, Any] = {}
    """Of the cap's schedule, by name: --set run.cap_settings.end=2000."""
    all_wrong_stop: Annotated[int, Field(ge=0)] = 3
    """Steps in a row without one right answer after which a run ends, because nothing can be learnt; a shorter run
    only says so; 0: never."""
    unjudged_alarm: Annotated[float, Field(ge=0.0, le=1.0)] = 0.005
    """Share of answers that could not be judged above which a step says so."""
    unjudged_stop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    """The same, above which the run stops."""


class CheckpointConfig(Section):
    """What stays of a checkpoint; how often one is made, and how many a run can go on from, run.checkpoint_every and
    run.keep say."""

    weights_only: bool = True
    """Keep the weights of checkpoints older than the newest run.keep, for a curve (tersely evaluate
    --all-checkpoints)."""
