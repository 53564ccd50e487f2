"""What is known of a model that is to be published: its folder, what it was trained for, what measured it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tersely.analysis.paired import compare_paired
from tersely.analysis.records import PairedBlock
from tersely.errors import UserError
from tersely.evaluation.protocol import VARIANT
from tersely.evaluation.records import SUMMARY, Evaluation, read_evaluation
from tersely.evaluation.runs import Run, base_of, read_run
from tersely.models.digest import weights_digest_once
from tersely.models.folder import resolve_model
from tersely.models.trained_for import TrainedFor, read_trained_for
from tersely.records import Json
from tersely.runs.identity import is_run_folder, read_own_config
from tersely.runs.json_file import read_record
from tersely.runs.manifest import CHECKPOINTS, WEIGHTS
from tersely.tune.found import CERTIFICATES, LAST_WORD, MEASURED, MIXES, RUN, is_tuned
from tersely.tune.measured import BASE
from tersely.tune.members import KEPT

KINDS = ("train", "baseline")
"""Of run folders that hold a model which was trained."""


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation of it, beside that of its base under the same protocol where there is one."""

    evaluation: Evaluation
    base: Evaluation | None
    versus: PairedBlock | None


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that the card says."""

    folder: Path
    """With the weights."""
    weights_sha256: str
    trained_for: TrainedFor
    config: Mapping[str, Any]
    """Of its run."""
    version: str
    """Of tersely, that trained it."""
    points: tuple[Point, ...]
    certificate: Mapping[str, str] | None
    """Of `tersely tune`: the sentence, and of which model."""


def find(path: Path) -> Published:
    """A run folder, one of its checkpoints, the folder of a `tersely tune`, or one of its certificates. UserError
    where it holds no checkpoint that is whole."""
    around = path.absolute().parent.parent
    if path.absolute().parent.name == CERTIFICATES and is_tuned(around):
        return _certified(around, path)
    if is_tuned(path):
        return _certified(path, _only_certificate(path))
    run = around if path.absolute().parent.name in (CHECKPOINTS, WEIGHTS, KEPT) else path
    if not is_run_folder(run):
        raise UserError(
            f"{path} is no run folder of tersely, so nobody could say how its weights came about: name the folder that "
            "tersely train, baseline or tune made"
        )
    kind = read_own_config(run).kind
    if kind not in KINDS:
        raise UserError(f"{path} is of kind {kind}, and nothing was trained in it: name the folder of a training run")
    return _published(resolve_model(path), read_run(run, variants=True))


def _only_certificate(tuned: Path) -> Path:
    found = sorted((tuned / CERTIFICATES).glob("*.json"))
    if len(found) > 1:
        named = ", ".join(path.name for path in found)
        raise UserError(
            f"{tuned} has {len(found)} answers, each with a model of its own ({named}): name the one that is meant, as "
            f"in tersely publish {shlex.quote(str(found[0]))}"
        )
    return found[0]


def _certified(tuned: Path, path: Path) -> Published:
    """The model of one answer, with the last word on it."""
    certificate = read_record(path, "a certificate of tersely tune", _certificate)
    member = certificate["member"]
    if member == BASE:
        raise UserError(f"the answer in {path} is the base itself, so nothing was trained: there is nothing to publish")
    # The folder may have been moved since; the member lies where it lay within.
    inside = [tuned / RUN / KEPT / member, tuned / MIXES / member]
    there = next((place for place in inside if place.is_dir()), Path(certificate["model"]))
    run = read_run(tuned / RUN)
    word = {name: _evaluations(tuned / MEASURED / LAST_WORD / name) for name in (member, BASE)}
    found = _published(resolve_model(there), replace(run, evaluations=word[member]), word[BASE], certificate)
    if found.weights_sha256 != certificate["weights_sha256"]:
        raise UserError(f"{there} does not hold the weights that were certified: run the same `tersely tune` again")
    return found


def _certificate(content: Json) -> dict[str, str]:
    """What is needed of it."""
    return {name: str(content[name]) for name in ("member", "model", "weights_sha256", "sentence")}


def _evaluations(place: Path) -> dict[str, Evaluation]:
    """By name, those that are finished."""
    return {path.parent.name: read_evaluation(path.parent) for path in sorted(place.glob(f"*/{SUMMARY}"))}


def _published(
    folder: Path,
    run: Run,
    base: Mapping[str, Evaluation] | None = None,
    certificate: Mapping[str, str] | None = None,
) -> Published:
    """``base``: its evaluations, where they are not beside it."""
    digest, place = weights_digest_once(folder), base_of(run)
    if base is None:
        base = {} if place is None else read_run(place, variants=True).evaluations
    began = run.config.get("model_sha256")
    # What it was trained from may have been trained on since.
    base = {name: one for name, one in base.items() if not isinstance(began, str) or one.weights_sha256 == began}
    mine = [one for one in run.evaluations.values() if one.weights_sha256 == digest]
    points = tuple(_point(one, base.get(_plain(one.name))) for one in mine)
    return Published(folder, digest, read_trained_for(folder), run.config, run.version, points, certificate)


def _plain(name: str) -> str:
    """The evaluation of the base as it is, beside which one under an option of decoding, or a level, stands."""
    return name.partition(VARIANT)[0]


def _point(evaluation: Evaluation, base: Evaluation | None) -> Point:
    """Without a comparison where the two were not measured alike."""
    if base is None:
        return Point(evaluation, None, None)
    try:
        versus = compare_paired(base.responses(), evaluation.responses(), base.protocol, evaluation.protocol)
    except UserError:
        return Point(evaluation, None, None)
    return Point(evaluation, base, versus.overall)
