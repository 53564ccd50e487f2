"""How `tersely evaluate` asks each model: as given, else as it was trained."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tersely.commands.verb import label
from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.models.trained_for import TrainedFor


@dataclass(frozen=True, slots=True)
class Terms:
    """On which a model is asked."""

    cap: int
    template: str | None
    of_others: bool
    """Whatever the model itself was trained with: it is what the runs beside it began with, and takes theirs."""
    efforts: Sequence[str] = ()
    """Levels that it is asked for."""


def terms_of(args: argparse.Namespace) -> list[Terms]:
    """The terms of each model: as given, else as trained; a model that was not trained here, or that the others began
    with, takes what the others were trained with. UserError where their templates differ: such numbers do not belong
    in one table."""
    from tersely.evaluation.protocol import CAP
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import TrainedFor, read_trained_for

    trained = [read_trained_for(locate_model(str(model))) for model in args.models]
    bases = _begun_with(args.models, trained)
    trained = [TrainedFor() if base else one for one, base in zip(trained, bases, strict=True)]
    caps, templates = ({getattr(one, name) for one in trained} - {None} for name in ("max_new_tokens", "template"))
    if args.template is None and len(templates) > 1:
        listed = ", ".join(
            f"{label(m)} {t.template!r}" for m, t in zip(args.models, trained, strict=True) if t.template
        )
        raise UserError(
            f"the models were trained with different templates ({listed}): evaluate them in commands of their own, or "
            "give one for all, --template TEMPLATE --other-template"
        )
    cap = caps.pop() if len(caps) == 1 else CAP
    template = args.template or (templates.pop() if templates else None)
    given = args.max_new_tokens
    own = [(one.max_new_tokens or cap) if given is None else given for one in trained]
    efforts = _efforts(args, bases)
    return [
        Terms(one, template, base and args.template is None, levels)
        for one, base, levels in zip(own, bases, efforts, strict=True)
    ]


def _efforts(args: argparse.Namespace, bases: Sequence[bool]) -> list[Sequence[str]]:
    """The levels of effort that each model is asked for; what the others began with is asked as it is, and so are
    all with --other-template. UserError for a level that none of them knows."""
    from tersely.evaluation.terms import pick_efforts, require_any_effort
    from tersely.models.locate import locate_model

    asked = [] if args.effort is None else [level.strip() for level in args.effort.split(",")]
    weights = [locate_model(str(model)) for model in args.models]
    require_any_effort(weights, asked)
    plain = not asked and args.other_template
    return [() if base or plain else pick_efforts(one, asked) for one, base in zip(weights, bases, strict=True)]


def _begun_with(models: Sequence[Path], trained: Sequence[TrainedFor]) -> list[bool]:
    """For each model whether another of them began with it: with these weights, or with what was in its place."""
    from tersely.models.digest import weights_digest_once
    from tersely.models.locate import locate_model
    from tersely.runs.identity import read_run_config

    named = {Path(one.base).resolve() for one in trained if one.base}
    configs = map(read_run_config, models)
    began = [None if config is None else config.config.get("model_sha256") for config in configs]

    def is_base(model: Path, own: object) -> bool:
        others = set(began) - {None, own}
        return bool(others) and weights_digest_once(locate_model(str(model))) in others

    return [model.resolve() in named or is_base(model, own) for model, own in zip(models, began, strict=True)]
