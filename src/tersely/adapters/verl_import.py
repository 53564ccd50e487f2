"""What verl left of a run, its file logs and checkpoints, as an ordinary run folder of ours."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.journal import StepEvent, StepRecord
from tersely.learn.run_setup import TrainSummary, run_identity
from tersely.models.locate import NEEDED, locate_model
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Json, JsonObject, Problem
from tersely.rollouts import Loaded
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log, RunKind
from tersely.tasks.overlap import keep_trained_on

LOG_NAME = "log-{:03d}.jsonl"
"""Of a launch: verl begins its file log anew each time."""
_STEP = re.compile(r"global_step_(\d+)")
MEASURED: Mapping[str, str] = {
    "length": "response_length/mean", "kl": "actor/kl_loss", "entropy": "actor/entropy",
    "clip_fraction": "actor/pg_clipfrac", "grad_norm": "actor/grad_norm", "loss": "actor/pg_loss",
    "learning_rate": "actor/lr",
}  # fmt: skip
"""Field of our journal -> verl's name of the same measurement."""


def read_logs(paths: Iterable[Path]) -> dict[int, Json]:
    """Step -> what verl measured at it; a later launch replaces the steps that it took again. A torn last line is left
    out. UserError for a line that verl did not write."""
    steps: dict[int, Json] = {}
    for path in paths:
        *lines, _torn = path.read_bytes().split(b"\n")
        taken: dict[int, Json] = {}
        for number, line in enumerate(lines, start=1):
            try:
                found = json.loads(line)
                taken[int(found["step"])] = dict(found["data"])
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}:{number} is no line of verl's file log: give the folder that verl wrote"
                ) from error
        first = min(taken, default=math.inf)
        steps = {step: data for step, data in steps.items() if step < first} | taken
    return steps


def journal_line(step: int, data: Json, config: TrainConfig) -> JsonObject:
    """Our journal's line; what verl does not measure is null."""
    cap, responses = config.sampling.max_new_tokens, config.sampling.prompts * config.sampling.n
    found: dict[str, Any] = dict.fromkeys(
        (field.name for field in fields(StepRecord) if not _at_times(field.name)), None
    )
    found |= {name: _number(data.get(theirs)) for name, theirs in MEASURED.items()}
    score, lowest = _number(data.get("critic/score/mean")), _number(data.get("critic/score/min"))
    # -1 is an answer that could not be judged: the mean is no accuracy then.
    judged = lowest is not None and lowest >= 0
    longest, ratio = _number(data.get("response_length/max")), _number(data.get("response_length/clip_ratio"))
    # verl compares with the widest response of the batch, which need not be as wide as the cap.
    truncated = None if longest is None else ratio if longest >= cap else 0.0
    length = found["length"]
    return found | {
        "step": step,
        "event": StepEvent.STEP,
        "problems": config.sampling.prompts,
        "responses": responses,
        "accuracy": score if judged else None,
        "unjudged": 0.0 if judged else None,
        "truncated": truncated,
        "response_tokens": None if length is None else round(length * responses),
    }


def clock_line(step: int, data: Json) -> JsonObject:
    """Our clock's line: seconds as verl measured them."""
    names = {"step_s": "timing_s/step", "sample_s": "timing_s/gen", "update_s": "timing_s/update_actor"}
    known = {name: _number(data.get(theirs)) for name, theirs in names.items()}
    return {"step": step} | {name: value for name, value in known.items() if value is not None}


def _at_times(name: str) -> bool:
    return StepRecord.__dataclass_fields__[name].default is None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def model_folders(checkpoints: Path) -> dict[int, Path]:
    """Step -> the Hugging Face folder of verl's checkpoint, where it holds weights; oldest first."""
    found = {}
    for folder in checkpoints.glob("global_step_*"):
        model = folder / "actor" / "huggingface"
        if (step := _STEP.fullmatch(folder.name)) and any(model.glob("*.safetensors")):
            found[int(step[1])] = model
    return dict(sorted(found.items()))


def import_run(
    out: Path, config: TrainConfig, problems: Sequence[Problem], logs: Sequence[Path], checkpoints: Path, release: str
) -> TrainSummary:
    """Make or go on with the run folder ``out`` from verl's files; done again, only what is new is added.

    ``release`` of verl stands in the folder's configuration, so that our own training does not go on in it. UserError
    where verl saved no weights.
    """
    steps, models = read_logs(logs), model_folders(checkpoints)
    if not models:
        raise UserError(
            f"{checkpoints} holds no global_step_N/actor/huggingface with weights: have verl save them with "
            "actor_rollout_ref.actor.checkpoint.save_contents=[model,optimizer,extra,hf_model]"
        )
    base = locate_model(config.model)
    identity = run_identity(config, base, Loaded(list(problems)), config.verifier, {"trainer": f"verl {release}"})
    with RunFolder.open(out, RunKind.TRAIN, identity, keep=config.run.keep) as run:
        known = run.latest()
        run.rewind(known)
        keep_trained_on(out, [problem.id for problem in problems])
        last = known.step if known else 0
        for step, model in models.items():
            if step > last:
                _append(run, {s: data for s, data in steps.items() if last < s <= step}, config)
                _save(run, step, model, config)
                last = step
        summary = TrainSummary(last, last * config.learner.updates, finished=last >= config.run.steps)
        if summary.finished:
            run.mark_done(summary.to_json())
    return summary


def _append(run: RunFolder, steps: Mapping[int, Json], config: TrainConfig) -> None:
    ordered = sorted(steps.items())
    run.append(Log.JOURNAL, [journal_line(step, data, config) for step, data in ordered])
    run.append(Log.CLOCK, [clock_line(step, data) for step, data in ordered])


def _save(run: RunFolder, step: int, model: Path, config: TrainConfig) -> None:
    trained_for = TrainedFor(
        template=config.template, max_new_tokens=config.sampling.max_new_tokens, objective=config.objective.record(),
        base=config.model, verifier=config.verifier,
    )  # fmt: skip

    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in NEEDED:  # no code and no pickle comes along
            for file in model.glob(pattern):
                shutil.copyfile(file, folder / file.name)
        write_trained_for(folder, trained_for)

    size = sum(file.stat().st_size for file in model.iterdir())
    run.save(step, write, {"optimizer_steps": step * config.learner.updates, "environment": {}}, expect_bytes=size)
