"""Weights between two given models, made to be measured: two ends, and what lies between."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.models.digest import weights_digest_once
from tersely.models.load import load_config, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.prompt_identity import architecture
from tersely.models.trained_for import TrainedFor, read_trained_for
from tersely.runs.checkpoints import keep_model
from tersely.runs.identity import read_run_config
from tersely.runs.manifest import MANIFEST
from tersely.tune.members import Blend, blended_terms, write_blend

LATER_TERMS = ("template", "verifier", "efforts")
"""In which two trained models must not differ."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """``(1 - w) first + w second`` for each weight. Example: ``Mixture(Path("alpha-0"), Path("alpha-0.4"), (0.5,))``"""

    first: Path
    second: Path
    weights: tuple[float, ...]
    """Of the second model, in [0, 1]."""

    @property
    def names(self) -> tuple[str, str]:
        """What the two models are called in the names of mixes. UserError where they cannot be told apart."""
        ends = [model.resolve() for model in (self.first, self.second)]
        for names in ([end.name for end in ends], [f"{end.parent.name}-{end.name}" for end in ends]):
            if names[0] != names[1]:
                return names[0], names[1]
        raise UserError(f"{self.first} and {self.second} have one name, so that a mix of them cannot say what it is of")

    def blends(self) -> list[Blend]:
        first, second = self.names
        return [Blend.one(first).towards(Blend.one(second), weight) for weight in self.weights]


def parse_mixture(first: str, second: str, weights: str) -> Mixture:
    """As ``--mix A B 0.25,0.5,0.75`` gives it. UserError for weights that are none."""
    found = []
    for text in weights.split(","):
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if not 0 <= weight <= 1:
            raise UserError(
                f"--mix {first} {second} {weights}: {text.strip()!r} is no weight of the second model between 0 and 1, "
                "as in --mix A B 0.25,0.5,0.75"
            )
        found.append(weight)
    return Mixture(Path(first), Path(second), tuple(dict.fromkeys(found)))


def require_mixable(mixture: Mixture) -> None:
    """UserError for models between which no weights make sense: of another architecture, vocabulary or base, or asked
    otherwise. No weights are loaded."""
    ends = [(model, locate_model(str(model))) for model in (mixture.first, mixture.second)]
    (one, first), (other, second) = ends
    differing = _differing(*(architecture(load_config(folder).to_dict()) for folder in (first, second)))
    if differing:
        raise UserError(f"{one} and {other} are of different architectures ({differing}): mix models of one base")
    if load_tokenizer(first).get_vocab() != load_tokenizer(second).get_vocab():
        raise UserError(f"{one} and {other} have different vocabularies: mix models of one base")
    begins = [_begins(model, folder) for model, folder in ends]
    if any(known for _, known in begins) and not begins[0][0] & begins[1][0]:
        raise UserError(
            f"{one} and {other} did not begin with the same weights, so that what lies between them is no model: mix "
            "models of one base, or that base with one of them"
        )
    terms = [one for one in map(read_trained_for, (first, second)) if one.base is not None]
    for name in LATER_TERMS if len(terms) == 2 else ():
        if getattr(terms[0], name) != getattr(terms[1], name):
            raise UserError(f"{one} and {other} were trained with another {name}: mix models that are asked alike")


@contextmanager
def made_mixes(mixtures: Sequence[Mixture], keep: Path | None) -> Iterator[list[Path]]:
    """Folders of all mixes, ordinary Hugging Face ones: kept in ``keep``, else removed in the end (they lie where the
    system keeps temporary files, TMPDIR)."""
    for mixture in mixtures:
        require_mixable(mixture)
    with ExitStack() as stack:
        place = keep
        if mixtures and place is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tersely-mixes-")))
        yield [folder for mixture in mixtures if place is not None for folder in _make(mixture, place)]


def _make(mixture: Mixture, place: Path) -> Iterator[Path]:
    ends = dict(zip(mixture.names, (mixture.first, mixture.second), strict=True))
    folders = {name: locate_model(str(model)) for name, model in ends.items()}
    terms = _terms(*folders.values())
    for blend in mixture.blends():
        target = place / blend.name
        if target.exists() and not (target / MANIFEST).is_file():
            raise UserError(f"{target} is there and was not made by tersely: choose another folder with --keep")
        parts, weights = [folders[name] for name, _ in blend.parts], [weight for _, weight in blend.parts]
        own = replace(terms, tune=blended_terms(blend, parts).tune)
        keep_model(target, 0, partial(write_blend, folders=parts, weights=weights, terms=own))
        yield target


def _terms(first: Path, second: Path) -> TrainedFor:
    """How a mix is asked: as the second was trained, or the first where only that was. It has no objective."""
    known = [read_trained_for(folder) for folder in (second, first)]
    trained = next((one for one in known if one.base is not None), known[0])
    return replace(trained, objective=None, method=None)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first key in which two architectures differ, with both values; empty where they are one."""
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            return f"{key} {one.get(key)} and {other.get(key)}"
    return ""


def _begins(model: Path, weights: Path) -> tuple[set[str], bool]:
    """(names and digests of the weights that a model is or began with, whether it is known to be trained from any)."""
    own = {weights_digest_once(weights), str(model.resolve()), str(weights.resolve())}
    began = set[str]()
    for folder in (model, weights.parent.parent):
        config = read_run_config(folder)
        digest = None if config is None else config.config.get("model_sha256")
        if isinstance(digest, str):
            began.add(digest)
    if (base := read_trained_for(weights).base) is not None:
        began.add(str(Path(base).resolve()) if Path(base).exists() else base)
    return own | began, bool(began)
