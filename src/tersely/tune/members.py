"""The models to choose among: the base, the checkpoints that a run kept, and weights between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tersely.errors import StorageError
from tersely.models.load import load_config, load_model, load_tokenizer
from tersely.models.save import save_model
from tersely.models.trained_for import TrainedFor, read_trained_for, write_trained_for
from tersely.runs.checkpoints import keep_model
from tersely.runs.manifest import verify_checkpoint
from tersely.tune.measured import BASE

KEPT = "members"
"""In the run folder: the measured checkpoints, weights alone."""
DIGITS = 4
"""Of a weight in a mix: it stands in the name."""


def member_name(step: int) -> str:
    """Of the checkpoint of a step; 0 is the base."""
    return f"step-{step:06d}" if step else BASE


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights ``sum_i w_i theta_i`` of models, ``sum_i w_i = 1``; one part is a model itself.

    Example: ``Blend((("step-000035", 0.25), ("step-000040", 0.75)))``
    """

    parts: tuple[tuple[str, float], ...]
    """(name of a checkpoint or "base", its weight in (0, 1]), in the order of the names."""

    @classmethod
    def one(cls, name: str) -> Blend:
        return cls(((name, 1.0),))

    @property
    def name(self) -> str:
        """Of its folder: its own where it is one model."""
        if len(self.parts) == 1:
            return self.parts[0][0]
        return "mix-" + "-".join(f"{weight:.{DIGITS}f}-{name}" for name, weight in self.parts)

    def towards(self, other: Blend, weight: float) -> Blend:
        """``(1 - weight)`` of this and ``weight`` of the other, the weights rounded as the name says them."""
        mine, theirs = dict(self.parts), dict(other.parts)
        names = sorted({*mine, *theirs})
        raw = {n: (1 - weight) * mine.get(n, 0.0) + weight * theirs.get(n, 0.0) for n in names}
        kept = {name: round(value, DIGITS) for name, value in raw.items() if round(value, DIGITS) > 0}
        # The largest takes what rounding left over: a small one could fall to 0 or below.
        most = max(kept, key=lambda name: kept[name])
        kept[most] = round(1 - sum(value for name, value in kept.items() if name != most), DIGITS)
        return Blend(tuple(kept.items()))


@dataclass(frozen=True, slots=True)
class Models:
    """Where each model lies. ``base`` may be a hub's folder; the others are sealed."""

    base: Path
    run: Path
    mixes: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    """Models to choose among that no run of this folder made, by name."""

    def folder(self, name: str) -> Path:
        """Of a model that is there. StorageError where a kept one was damaged."""
        if name == BASE:
            return self.base
        if name in self.given:
            return self.given[name]
        place = (self.mixes if name.startswith("mix-") else self.run / KEPT) / name
        problems = verify_checkpoint(place)
        if problems:
            raise StorageError(f"{problems[0]}: restore {place} from a copy, or tune anew in another folder")
        return place

    def made(self, blend: Blend) -> Path:
        """The blend's folder, made where it is not there yet or was damaged."""
        if len(blend.parts) == 1 or not verify_checkpoint(self.mixes / blend.name):
            return self.folder(blend.name)
        folders = [self.folder(name) for name, _ in blend.parts]
        weights = [weight for _, weight in blend.parts]
        terms = blended_terms(blend, folders)
        keep_model(self.mixes / blend.name, 0, lambda place: write_blend(place, folders, weights, terms))
        return self.mixes / blend.name


def blended_terms(blend: Blend, folders: Sequence[Path]) -> TrainedFor:
    """How a mix is asked: as its last part. It was trained at no alpha of its own, so each part says its step and
    alpha."""
    known = [read_trained_for(folder) for folder in folders]
    parts = [
        # What an earlier tune said of the base is nothing of this one's.
        {**({} if name == BASE else one.tune or {}), "member": name, "weight": weight}
        for (name, weight), one in zip(blend.parts, known, strict=True)
    ]
    return replace(known[-1], objective=None, tune={"member": blend.name, "parts": parts})


def write_blend(
    place: Path, folders: Sequence[Path], weights: Sequence[float], terms: TrainedFor | None = None
) -> None:
    """Write the weighted sum of the models into ``place``: summed in float32, in the type of the last, with its
    tokenizer and terms of training (or ``terms``). Models of other shapes are a UserError of loading, names that differ
    a KeyError."""
    last = folders[-1]
    dtype = load_config(last).dtype or torch.float32
    model: Any = None
    for folder, weight in zip(folders, weights, strict=True):
        part = load_model(folder, torch.device("cpu"), torch.float32)
        if model is None:
            model = part
            _scale(model, weight)
        else:
            _add(model, part, weight)
    save_model(place, model, load_tokenizer(last), dtype)
    write_trained_for(place, terms or read_trained_for(last))


@torch.no_grad()
def _scale(model: Any, weight: float) -> None:
    for parameter in model.parameters():
        parameter.mul_(weight)


@torch.no_grad()
def _add(model: Any, part: Any, weight: float) -> None:
    others = dict(part.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.add_(others[name], alpha=weight)
