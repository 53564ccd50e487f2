"""Read finished run folders: what was configured, what the journal saw, what the evaluations found.

RUN/config.json                      {"kind": "train" | "base" | ..., "tersely": version, "config": {...}}
RUN/journal.jsonl, RUN/clock.jsonl   one line a step (absent for a base)
RUN/evaluation/TASK/responses.jsonl  one EvalRecord a line
RUN/evaluation/TASK/summary.json     {"protocol", "versions", "command", "summary"}, written last
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tersely.errors import TerselyError, UserError, nearest, plainly, require_known
from tersely.evaluation.protocol import EFFORT, VARIANT, parse_name
from tersely.evaluation.records import Evaluation, progress, read_evaluation
from tersely.journal import StepRecord
from tersely.models.digest import recorded_digest
from tersely.records import Json
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log
from tersely.runs.manifest import model_folders

_UNKNOWN = dict.fromkeys((f.name for f in fields(StepRecord)), None)


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder, read. ``kind``: train, base, baseline, ..., or model (evaluations of somebody else's)."""

    path: Path
    kind: str
    version: str
    config: Json
    alpha: float | None
    """None for whatever has no price of length."""
    seed: int | None
    journal: tuple[StepRecord, ...]
    clock: tuple[Json, ...]
    evaluations: Mapping[str, Evaluation]

    @property
    def name(self) -> str:
        return self.path.name or str(self.path)

    @property
    def is_by_level(self) -> bool:
        """Whether it trained one model for several levels of effort."""
        objective = self.config.get("objective")
        return self.kind == "train" and isinstance(objective, dict) and bool(objective.get("levels"))

    @property
    def learning_rate(self) -> float | None:
        """Of whatever was trained; None where the configuration has none."""
        sections = [self.config, *(part for part in self.config.values() if isinstance(part, dict))]
        found = next((part["learning_rate"] for part in sections if "learning_rate" in part), None)
        return float(found) if isinstance(found, int | float) else None


def read_run(path: Path, variants: bool = False) -> Run:
    """Read a run folder, or the folder that holds the evaluations of somebody else's model (kind "model").

    ``variants`` reads evaluations of checkpoints and under instructions too (``TASK@...``). Whatever is missing or
    damaged is a UserError that names the file.
    """
    settings = _settings(path)
    folders = evaluation_folders(path, settings is None, variants)
    if settings is None and not folders:
        raise UserError(
            f"{path} is no run folder of tersely and holds no evaluation of one: give a folder that tersely train or "
            "tersely evaluate --out made"
        )
    settings = settings or {"kind": "model"}
    config = settings.get("config")
    config = config if isinstance(config, dict) else {}
    kind, seed = str(settings["kind"]), config.get("seed")
    return Run(
        path=path,
        kind=kind,
        version=str(settings.get("tersely", "unknown")),
        config=config,
        alpha=_alpha(path, config) if kind == "train" else None,
        seed=seed if isinstance(seed, int) else None,
        journal=_journal(path / "journal.jsonl") if kind == "train" else (),
        clock=tuple(_log(path / "clock.jsonl")),
        evaluations={folder.name: _held(folder) for folder in folders if (folder / "summary.json").is_file()},
    )


def read_finished(path: Path, variants: bool = True) -> Run:
    """A run with all of its evaluations; an unknown folder, or a half-finished evaluation, is a UserError."""
    if not path.is_dir() and path.parent.is_dir():
        beside = nearest(path.name, [p.name for p in path.parent.iterdir()])
        raise UserError(f"there is no run folder of tersely at {path}{beside}")
    for log in sorted([*path.glob("evaluation/*/responses.jsonl"), *path.glob("*/responses.jsonl")]):
        folder = log.parent
        known = (folder / "summary.json").is_file() or folder.name == "profile"
        if not known and (variants or VARIANT not in folder.name):
            raise UserError(
                f"the evaluation {folder} is half-finished ({progress(folder)}): run tersely evaluate on it again, it "
                "goes on where it stopped"
            )
    run = read_run(path, variants)
    if not run.evaluations:
        raise UserError(f"{path} has no evaluation: run tersely evaluate {shlex.quote(str(path))} first")
    return run


def base_of(run: Run, beside: Sequence[Path] = ()) -> Path | None:
    """The folder of what a run was trained from: known by its weights where it is named, else among those ``beside``
    it and its siblings; else what lies where it is named, unless that tells of other weights alone."""
    named, wanted, own = _named_base(run), run.config.get("model_sha256"), run.path.resolve()
    if isinstance(wanted, str):
        places = [*filter(None, [named]), *beside, *sorted(own.parent.iterdir())]
        others = (place for place in places if place.is_dir() and place.resolve() != own)
        found = next((place for place in others if _holds(place, wanted)), None)
        return named if found is None and named is not None and not _digests(named) else found
    return named


def _named_base(run: Run) -> Path | None:
    model = run.config.get("model")
    if not isinstance(model, str) or not model:
        return None
    for place in (Path(model), run.path.parent / model):
        for folder in (place, *place.parents[:3]):
            settings = _settings(folder)
            if settings is not None and settings["kind"] in ("base", "train"):
                return folder
    return None


def _holds(place: Path, weights: str) -> bool:
    """Whether a folder holds or evaluated these weights, as its manifests and summaries tell, and did not begin with
    them; what cannot be read there tells nothing."""
    with suppress(TerselyError):
        settings = _settings(place)
        config = {} if settings is None else settings.get("config")
        if isinstance(config, dict) and config.get("model_sha256") == weights:
            return False  # nothing was learnt in it
        return weights in _digests(place)
    return False


def _digests(place: Path) -> set[str]:
    """Of all weights that a folder holds or evaluated, as far as it tells."""
    found = [recorded_digest(checkpoint) for _, checkpoint in model_folders(place)]
    with suppress(TerselyError):
        folders = evaluation_folders(place, _settings(place) is None, variants=True)
        summaries = [folder / "summary.json" for folder in folders if (folder / "summary.json").is_file()]
        found += [read_json(path, "a summary").get("weights_sha256") for path in summaries]
    return {digest for digest in found if isinstance(digest, str)}


def parent_of(run: Run, beside: Sequence[Path] = ()) -> Run | None:
    """The run that ``run`` was trained from, if its folder can be found; its evaluations may be unfinished."""
    place = base_of(run, beside)
    return None if place is None else read_run(place)


def root_of(run: Run, known: dict[Path, Run], variants: bool = True) -> Run | None:
    """The base at the end of the chain of runs that ``run`` was trained from; what is read is kept in ``known``."""
    chain, beside = [run.path.resolve()], tuple(known)
    found: Run | None = None
    place = base_of(run, beside)
    while place is not None and place.resolve() not in chain:
        chain.append(place.resolve())
        found = known.get(chain[-1]) or read_finished(place, variants)
        known[chain[-1]] = found
        place = base_of(found, beside) if found.kind != "base" else None
    return found


def require_tasks(runs: Sequence[Run]) -> list[str]:
    """The tasks that every run finished; a UserError says which run lacks what."""
    for run in runs:
        if not run.evaluations:
            again = f"tersely evaluate {shlex.quote(str(run.path))}"
            raise UserError(f"{run.path} has no finished evaluation: run {again} first")
    common = set.intersection(*(set(run.evaluations) for run in runs))
    if not common:
        listed = "; ".join(f"{run.name}: {', '.join(sorted(run.evaluations))}" for run in runs)
        raise UserError(f"no task was evaluated by every run ({listed}): evaluate all of them on the same task")
    return sorted(common)


def evaluation_folders(path: Path, foreign: bool, variants: bool = False) -> list[Path]:
    """RUN/evaluation/TASK; for somebody else's model TASK lies directly beneath, and must be finished to be known.

    Variants (TASK@step-000010, TASK@limit-512) are other measurements than the model as it is: left out unless asked.
    A model that was trained for levels of effort is what it is at each of them (TASK@effort-low).
    """
    if foreign:
        found = sorted(summary.parent for summary in path.glob("*/summary.json"))
    else:
        found = sorted(folder for folder in (path / "evaluation").glob("*") if folder.is_dir())
    return [folder for folder in found if variants or VARIANT not in folder.name or _is_effort(folder.name)]


def _is_effort(folder: str) -> bool:
    """Whether an evaluation asked for a level of effort, and is no variant otherwise."""
    name = parse_name(folder)
    return name.step is None and name.effort is not None and name.variant == f"{EFFORT}{name.effort}"


def at_effort(runs: Sequence[Run], effort: str | None) -> list[Run]:
    """The runs with their evaluations by task alone: as they are, or where they were evaluated by levels of effort,
    those at one of them. UserError where such a run is asked for none, or for one that it was not evaluated at, and
    where none of them was evaluated by levels."""
    asked = [folder for run in runs for folder in run.evaluations if parse_name(folder).effort is not None]
    if effort is not None and not asked:
        raise UserError(f"--effort {effort}: nothing here was evaluated by levels of effort: leave --effort out")
    return [_at_effort(run, effort) for run in runs]


def _at_effort(run: Run, effort: str | None) -> Run:
    by_level: dict[str | None, dict[str, Evaluation]] = {}
    for folder, evaluation in run.evaluations.items():
        by_level.setdefault(parse_name(folder).effort, {})[folder.split(f"{VARIANT}{EFFORT}")[0]] = evaluation
    plain, levels = by_level.pop(None, {}), [level for level in by_level if level is not None]
    if not levels or (effort is None and plain):
        return replace(run, evaluations=plain)
    if effort is None:
        listed = ", ".join(levels)
        raise UserError(f"{run.path} was evaluated by levels of effort: say which of {listed}, --effort LEVEL")
    return replace(run, evaluations=by_level[require_known(f"level of effort of {run.path}:", effort, levels)])


def _held(folder: Path) -> Evaluation:
    """A finished evaluation with its responses in memory; the summary must count as many as there are."""
    found = read_evaluation(folder)
    records, counted = found.responses(), found.summary.overall.responses
    if counted != len(records):
        raise UserError(
            f"{folder} holds {len(records)} responses but its summary counts {counted}: run tersely evaluate again"
        )
    return replace(found, held=records)


def _settings(path: Path) -> Json | None:
    """config.json of a run folder, or None where there is none (a model folder's has no kind)."""
    if not (path / "config.json").is_file():
        return None
    document = read_json(path / "config.json", "the configuration of a run")
    return document if isinstance(document.get("kind"), str) else None


def _alpha(path: Path, config: Json) -> float | None:
    """None for a method that has no price of length."""
    objective = config.get("objective")
    if not isinstance(objective, dict):
        raise UserError(f"{path / 'config.json'} names no objective: it is not a training run")
    alpha = objective.get("alpha")
    return float(alpha) if isinstance(alpha, int | float) else None


def _journal(path: Path) -> tuple[StepRecord, ...]:
    """The steps; what an older release did not measure is None. Lines that are no step (a note) are left out."""
    steps = []
    for number, line in enumerate(_log(path), start=1):
        try:
            steps += [StepRecord.from_json({**_UNKNOWN, **line})] if "step" in line else []
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}, line {number}: {plainly(error)}: restore it from a copy") from error
    return tuple(steps)


def _log(path: Path) -> list[Json]:
    """The lines of a log; UserError where what is drawn of one is no number."""
    lines = read_log(path, allow_torn=True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if odd := next((name for name in _NUMBERS if not _is_number(line, name)), None):
            raise UserError(f"{path}, line {number}: {odd} is {line[odd]!r:.40}, no number: restore it from a copy")
    return lines


def _is_number(line: Json, name: str) -> bool:
    """Whether a field of a log is what pages draw, or not there."""
    value = line.get(name)
    if name == "step":
        return name not in line or type(value) is int
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


_NUMBERS = tuple(field.name for field in fields(StepRecord) if field.name not in ("event", "levels"))
"""Of a journal's line."""
