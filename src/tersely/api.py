"""The public face: ``train``, ``evaluate``, ``sweep``, ``load_run`` of ``tersely``. No command line needed.

What stands here only finds out what was meant and calls the rooms below; torch is loaded by the call, not the import.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.config import TrainConfig, assemble, merge, resolve
from tersely.display import Display, make_display
from tersely.errors import UserError
from tersely.evaluation.protocol import CAP, EvalProtocol
from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.journal import StepRecord
from tersely.records import Problem
from tersely.runs.folder import read_config, read_done
from tersely.runs.logs import read_log
from tersely.runs.manifest import step_folders
from tersely.verify.verifier import refer

if TYPE_CHECKING:
    from tersely.evaluation.work import Choices
    from tersely.rollouts import Grader
    from tersely.samplers import Sampler
    from tersely.samplers.decoding import Decoding
    from tersely.samplers.endpoint import Endpoint
    from tersely.verify.verifier import Verifier

GIVEN = "given"
"""What a configuration calls problems that were handed over instead of named."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run folder read: what was asked for, what happened, what is there.

    Example: ``tersely.load_run("runs/base-alpha-0.1").steps[-1].length``
    """

    path: Path
    config: Mapping[str, Any]
    """The configuration that the folder was made with, as JSON values."""
    finished: bool
    steps: tuple[StepRecord, ...]
    """One a training step, in order; empty for runs that have no such steps."""
    checkpoint: Path | None
    """The newest checkpoint, an ordinary Hugging Face model folder; None before the first."""
    evaluations: Mapping[str, Evaluation]
    """Finished evaluations beneath the run folder, by name."""


def train(
    config_or_recipe: TrainConfig | str | None = None,
    *,
    model: str | Path | None = None,
    task: str | Path | Sequence[Problem | Mapping[str, Any]] | None = None,
    alpha: float | None = None,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    judge: Grader | Verifier | str | None = None,
    sampler: Sampler | None = None,
    callbacks: Sequence[Callable[[StepRecord], object]] = (),
    display: Display | None = None,
) -> RunResult:
    """Train a model in the run folder ``out``, or go on with what is there; returns the folder, read.

    ``config_or_recipe``: a TrainConfig, a shipped recipe by name, or a TOML file. ``model``: folder or hub id.
    ``task``: a name, a JSON Lines file, problems, or rows as a file holds them. ``alpha``: length pressure in [0, 1).
    ``settings``: further settings by their full names, such as ``{"run.steps": 5, "sampling.n": 4}``. ``judge``: a
    ``Judge``, or a verifier, ``(problem, response) -> Verdict | bool | float in [0, 1]``, as a function or as
    ``"package.module:Name"``.
    ``sampler``: anything with the Sampler protocol, in place of the engine. ``callbacks`` are given every step's
    StepRecord; one that returns True asks the run to save and end, and what one raises ends it as a crash would: the
    last checkpoint stands. A ``sampler`` given here is not closed. ``display`` None shows progress on standard error.

    Ctrl-C and SIGTERM finish the step, save, and raise ``tersely.stop.Stopped`` (outside the main thread signals are
    not touched); the same call goes on from there. Raises UserError before anything is written for what cannot work,
    RunError for a run that cannot go on (HealthError where a health rule ended it), StorageError for a disk that
    refuses.
    """
    from tersely.learn.loop import train as run

    problems = None if task is None or isinstance(task, str | Path) else list(task)
    verifier, grader = _split_judge(judge)
    given = {
        "model": None if model is None else str(model),
        "task": GIVEN if problems is not None else None if task is None else str(task),
        "verifier": None if verifier is None else str(refer(verifier)),
        "objective": None if alpha is None else {"alpha": alpha},
    }
    config = _configured(config_or_recipe, given, settings or {})
    with display or make_display(config.objective.label) as shown:
        run(
            config,
            Path(out),
            shown,
            problems=problems,
            judge=grader,
            verifier=verifier,
            sampler=sampler,
            callbacks=callbacks,
        )
    return load_run(out)


def evaluate(
    model: str | Path | Endpoint,
    *,
    task: str | Path | Sequence[Problem | Mapping[str, Any]] = "arithmetic",
    out: str | Path | None = None,
    size: int | None = None,
    k: int = 1,
    max_new_tokens: int | None = None,
    temperature: float = 0.6,
    top_p: float = 1.0,
    seed: int = 0,
    template: str | None = None,
    judge: Grader | Verifier | str | None = None,
    drop_unjudgeable: bool = False,
    sampler: Sampler | None = None,
    display: Display | None = None,
    effort: str | None = None,
    decoding: Decoding | None = None,
    request: str | None = None,
    system: str | Path | None = None,
) -> Evaluation:
    """Measure a model on held-out problems; what was evaluated before under the same protocol is not done again.

    ``model``: run folder, model folder, hub id, or a server (``endpoint_at``); ``out``: folder for the evaluation,
    needed where ``model`` is no run folder. ``task``, ``judge`` and ``sampler`` as for ``train``. ``size``: problems
    (None: all of a file, 600 of the embedded task); ``k``: responses a problem; ``max_new_tokens``: cap in tokens
    (None: as trained, else 32768); ``template`` None: as trained, else "boxed". A model trained with a verifier asks
    for the same one here, or for a ``Judge``. ``drop_unjudgeable`` leaves out problems whose gold answers cannot be
    judged. ``effort``: the level asked for, of a model trained for several; ``decoding``: ``Decoding("budget:512")``.
    Of a server alone: ``request``, NAME=VALUE to ask besides, or ``system``, a system prompt or a file that holds it,
    is a point of its own, kept beside the model as served. Returns accuracy and tokens with 95 % intervals over
    problems (``Evaluation.summary``) and the responses. Raises as ``train`` does.
    """
    from tersely.evaluation.run import evaluate as run

    problems = None if isinstance(task, str | Path) else list(task)
    verifier, grader = _split_judge(judge)
    found, asked = _asked_so(model, request, system, {"effort": effort, "decoding": decoding, "sampler": sampler})
    protocol = EvalProtocol(
        task=str(task) if problems is None else GIVEN,
        size=size,
        k=k,
        max_new_tokens=max_new_tokens or _cap_of(found),
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        template=template,
        effort=effort,
        decoding=decoding,
        request=asked,
    )
    with display or make_display(f"evaluate {found.name if isinstance(found, Path) else found.label}") as shown:
        place = None if out is None else Path(out)
        more: Choices = {"problems": problems, "drop_unjudgeable": drop_unjudgeable, "sampler": sampler,
                         "command": "tersely.evaluate(...)"}  # fmt: skip
        folder = run(found, protocol, place, shown, judge=grader, verifier=verifier, **more)
    return read_evaluation(folder)


def sweep(
    model: str | Path,
    *,
    out: str | Path,
    task: str | Path = "arithmetic",
    held_out: str | Path | None = None,
    recipe: str | None = None,
    objectives: Sequence[str] = (),
    alphas: Sequence[float] = (),
    seeds: Sequence[int] = (0,),
    vary: Mapping[str, Sequence[Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    settings_for: Mapping[str, Mapping[str, Any]] | None = None,
    size: int | None = None,
    k: int = 2,
    jobs: int | None = None,
) -> list[RunResult]:
    """Train and measure every run of objectives x alphas x varied settings x seeds, or go on with what is there; the
    runs, read, in that order, and the page that compares them in ``out``/page.

    ``objectives`` () is the recipe's; ``alphas`` are for those that have one, () the usual one of each. ``vary`` and
    ``settings`` go by full names, ``{"learner.lora.rank": [8, 32]}``; ``settings_for`` by objective first.
    ``held_out``: problems to measure with, needed where ``task`` is a file. ``size``, ``k`` as for ``evaluate``;
    ``jobs`` None runs as many side by side as the machine can hold. Each run is a process of its own. Raises UserError
    before anything is written for what cannot work, and ``tersely.stop.Stopped`` after a signal; the same call goes on
    from there.
    """
    from tersely.pipelines.selection import Selection, Vary
    from tersely.pipelines.sweep import sweep as run
    from tersely.pipelines.variants import plan_of

    plan = plan_of(
        str(model),
        str(task),
        Path(out),
        held_out=None if held_out is None else str(held_out),
        recipe=recipe,
        size=size,
        k=k,
        settings=_assignments(settings or {}),
    )
    selection = Selection(
        objectives=tuple(objectives) or (plan.common_config.objective.method,),
        alphas=tuple(alphas),
        seeds=tuple(seeds),
        vary=tuple(Vary(key, tuple(map(_toml, values))) for key, values in (vary or {}).items()),
        own={name: tuple(_assignments(own)) for name, own in (settings_for or {}).items()},
    )
    return [load_run(folder) for folder in run(selection, plan, jobs=jobs, command="tersely.sweep(...)").runs]


def _assignments(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_toml(value)}" for name, value in settings.items()]


def _toml(value: Any) -> str:
    """A value as --set reads it: numbers, texts, lists and truths are written alike in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)


def load_run(path: str | Path) -> RunResult:
    """A run folder, finished or not, read without a lock and without torch. UserError for what is none."""
    folder = Path(path)
    lines = read_log(folder / "journal.jsonl", allow_torn=True) if (folder / "journal.jsonl").is_file() else []
    steps = [
        StepRecord.from_json(line) for line in lines if line.get("event") in ("STEP", "NO_SIGNAL") and "reward" in line
    ]
    kept = sorted(step_folders(folder))
    finished = sorted(summary.parent for summary in folder.glob("evaluation/*/summary.json"))
    return RunResult(
        path=folder,
        config=read_config(folder),
        finished=read_done(folder) is not None,
        steps=tuple(steps),
        checkpoint=kept[-1][1] if kept else None,
        evaluations={place.name: read_evaluation(place) for place in finished},
    )


def _configured(given: TrainConfig | str | None, over: Mapping[str, Any], settings: Mapping[str, Any]) -> TrainConfig:
    """The configuration that was meant: recipe or whole configuration, arguments, further settings."""
    known = {key: value for key, value in over.items() if value is not None}
    for name, value in settings.items():
        *sections, key = name.split(".")
        place = known
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    if isinstance(given, TrainConfig):
        return resolve(merge(given.model_dump(), known))
    if given is None and "model" not in known:
        raise UserError("nothing says what to train: give model=, or a recipe such as 'tiny'")
    return assemble(given, known)


def _asked_so(
    model: str | Path | Endpoint,
    request: str | None,
    system: str | Path | None,
    of_folders: Mapping[str, object],
) -> tuple[Path | Endpoint, str | None]:
    """(what is measured, the name of the point that was asked for). ``of_folders``: what was given that a server does
    not take. UserError for what does not go together."""
    from tersely.samplers.endpoint import Endpoint
    from tersely.samplers.endpoint.points import at, requests, systems

    points = [
        *requests([request] if request is not None else []),
        *systems([str(system)] if system is not None else []),
    ]
    if not isinstance(model, Endpoint):
        if points:
            raise UserError("request and system speak of a server: give one as the model, tersely.endpoint_at(...)")
        return Path(model), None
    if len(points) > 1:
        raise UserError("several requests are several points: give one request, or one system prompt, in a call")
    for name, given in of_folders.items():
        if given is not None:
            raise UserError(f"{name} goes with a model's folder: ask a server by request= or its options")
    return (at(model, points[0]), points[0].name) if points else (model, None)


def _cap_of(model: Path | Endpoint) -> int:
    """Of a response, as the model was trained."""
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import read_trained_for

    trained = read_trained_for(locate_model(str(model))).max_new_tokens if isinstance(model, Path) else None
    return trained or CAP


def _split_judge(judge: Grader | Verifier | str | None) -> tuple[Verifier | str | None, Grader | None]:
    """(verifier, judge): a function or a name is a verifier, anything with ``grade`` a judge."""
    if judge is None or hasattr(judge, "grade"):
        return None, judge  # type: ignore[return-value]
    return judge, None  # type: ignore[return-value]
