"""What is known of a model that is to be published: its folder, what it was trained for, what measured it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.analysis.paired import compare_paired
from tersely.analysis.records import PairedBlock
from tersely.errors import UserError
from tersely.evaluation.records import Evaluation
from tersely.evaluation.runs import Run, base_of, read_run
from tersely.models.digest import weights_digest_once
from tersely.models.folder import resolve_model
from tersely.models.trained_for import TrainedFor, read_trained_for
from tersely.runs.identity import is_run_folder, read_own_config
from tersely.runs.json_file import read_json
from tersely.tune.found import CERTIFICATES, RUN, is_tuned

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
    certificate: Mapping[str, Any] | None
    """Of `tersely tune`."""


def find(path: Path) -> Published:
    """A run folder, or the folder of a `tersely tune`. UserError where it holds no checkpoint that is whole."""
    if is_tuned(path):
        return _tuned(path)
    if not is_run_folder(path):
        raise UserError(
            f"{path} is no run folder of tersely, so nobody could say how its weights came about: name the folder that "
            "tersely train, baseline or tune made"
        )
    kind = read_own_config(path).kind
    if kind not in KINDS:
        raise UserError(f"{path} is of kind {kind}, and nothing was trained in it: name the folder of a training run")
    return _published(resolve_model(path), read_run(path, variants=True), None)


def _tuned(path: Path) -> Published:
    certificates = sorted((path / CERTIFICATES).glob("*.json"))
    if len(certificates) > 1:
        named = ", ".join(one.stem for one in certificates)
        raise UserError(
            f"{path} has {len(certificates)} answers ({named}), each with a model of its own: remove the certificates "
            f"that are not meant, or publish the training run, {path / RUN}"
        )
    certificate = read_json(certificates[0], "a certificate of tersely tune")
    folder = Path(str(certificate["model"]))
    # Its folder may have been moved since; the member lies where it lay within.
    inside = [path / part for part in (f"{RUN}/checkpoints/{folder.name}", f"mixes/{folder.name}")]
    there = next((place for place in (*inside, folder) if place.is_dir()), folder)
    found = _published(resolve_model(there), read_run(path / RUN, variants=True), certificate)
    if found.weights_sha256 != certificate["weights_sha256"]:
        raise UserError(f"{there} does not hold the weights that were certified: run the same `tersely tune` again")
    return found


def _published(folder: Path, run: Run, certificate: Mapping[str, Any] | None) -> Published:
    digest = weights_digest_once(folder)
    place = base_of(run)
    base = {} if place is None else read_run(place, variants=True).evaluations
    mine = [one for one in run.evaluations.values() if one.weights_sha256 in (digest, None)]
    points = [_point(one, base.get(_plain(one.name))) for one in mine]
    return Published(folder, digest, read_trained_for(folder), run.config, run.version, tuple(points), certificate)


def _plain(name: str) -> str:
    """The evaluation of the base as it is, beside which one under an option of decoding, or a level, stands."""
    return name.partition("@")[0]


def _point(evaluation: Evaluation, base: Evaluation | None) -> Point:
    """Without a comparison where the two were not measured alike."""
    if base is None:
        return Point(evaluation, None, None)
    try:
        versus = compare_paired(base.responses(), evaluation.responses(), base.protocol, evaluation.protocol)
    except UserError:
        return Point(evaluation, None, None)
    return Point(evaluation, base, versus.overall)
