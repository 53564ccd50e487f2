"""On which terms a model is asked: those that it was trained on, unless others are asked for and meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tersely.errors import UserError, require_known
from tersely.evaluation.protocol import EvalProtocol
from tersely.models.end_tokens import end_tokens_of
from tersely.models.load import load_config
from tersely.models.positions import Room
from tersely.models.trained_for import read_trained_for
from tersely.samplers import Sampler
from tersely.samplers.decoding.steer import Options
from tersely.samplers.engines import find_engine
from tersely.tasks.efforts import require_level
from tersely.tasks.instructions import parse_instruction, require_readable

BOXED = "boxed"
"""The template of a model that does not tell of one."""


def pick_template(weights: Path, asked: str | None, other_template: bool) -> str:
    """The template to evaluate under: the one trained with, unless another is asked for and meant."""
    trained = read_trained_for(weights).template
    if asked is None:
        return trained or BOXED
    if trained is not None and asked != trained and not other_template:
        raise UserError(
            f"the model was trained with the template {trained!r}, not {asked!r}: leave --template out, "
            "or add --other-template if that is what you want to measure"
        )
    return asked


def require_verifier_of_training(weights: Path, verifier: str | None, other_verifier: bool) -> None:
    """UserError where a model that was trained with a verifier would be judged by something else, unasked."""
    trained = read_trained_for(weights).verifier
    if trained is not None and verifier != trained and not other_verifier:
        instead = "without one" if verifier is None else f"with {verifier}"
        raise UserError(
            f"the model was trained with the verifier {trained} and would be judged {instead}: give that one with "
            "--verifier (judge= from Python), or add --other-verifier if that is what you want to measure (from Python "
            "judge=tersely.Judge())"
        )


def pick_efforts(weights: Path, asked: Sequence[str]) -> Sequence[str]:
    """The levels of effort to ask a model for: of those that it was trained for the given ones, else all; none where it
    was trained for none. UserError for a level that it does not know."""
    known = read_trained_for(weights).efforts or {}
    if not known:
        return []
    return [require_known("level of effort", level, known) for level in dict.fromkeys(asked)] or list(known)


def require_any_effort(models: Sequence[Path], asked: Sequence[str]) -> None:
    """UserError where a level is asked for and none of the models (folders of weights) was trained for any."""
    if asked and not any(read_trained_for(weights).efforts for weights in models):
        which = "the model was not" if len(models) == 1 else "none of the models was"
        raise UserError(
            f"--effort {','.join(asked)}: {which} trained for levels of effort, so that no line asks for one: leave "
            "--effort out"
        )


def effort_line(weights: Path, level: str | None, otherwise: bool = False) -> str | None:
    """The line that asks a model for a level of effort, as it was trained. UserError where it knows no such level, and
    where it was trained for levels and is asked for none (unless it is to be asked ``otherwise`` than it was trained).
    """
    known = read_trained_for(weights).efforts or {}
    if level is not None:
        require_any_effort([weights], [level])
        return known[require_known("level of effort", level, known)]
    if known and not otherwise:
        raise UserError(
            f"the model was trained to be asked for a level of effort: say which of {', '.join(known)}, --effort LEVEL "
            "(effort= from Python), or add --other-template to ask for none"
        )
    return None


@dataclass(frozen=True, slots=True)
class Asking:
    """How the problems are put to the model. Example: ``Asking("boxed", "Be concise.")``."""

    template: str
    sentence: str | None
    """At the end of each prompt."""

    @classmethod
    def of(cls, protocol: EvalProtocol, tokenizer: Any, template: str, effort: str | None = None) -> Asking:
        """The model's own template, with the instruction of the protocol if any, once it is known that the tokenizer
        can write it. ``effort``: the line that asks for the protocol's level of effort, if any."""
        if protocol.effort is not None and effort is not None:
            require_level(protocol.effort, effort, tokenizer)
        if protocol.instruction is not None:
            require_readable(parse_instruction(protocol.instruction), tokenizer)
        return cls.unread(protocol, template, effort)

    @classmethod
    def unread(cls, protocol: EvalProtocol, template: str, effort: str | None = None) -> Asking:
        """The same where nobody here can say what the tokenizer writes."""
        if protocol.instruction is None:
            return cls(template, effort)
        instruction = parse_instruction(protocol.instruction)
        return cls(template, instruction.text) if instruction.appended else cls(instruction.text, None)


def within_positions(weights: Path, protocol: EvalProtocol, longest: int, template: str) -> EvalProtocol:
    """The protocol under a cap that the model has room for behind its longest prompt.

    A suite's cap is lowered, which is marked; any other that does not fit is the user's to change: UserError.
    """
    room, cap = Room.of(load_config(weights).to_dict()), protocol.max_new_tokens
    left = room.left(longest)
    if protocol.suite is not None and left is not None and 0 < left < cap:
        return replace(protocol, max_new_tokens=left, suite_cap=cap)
    room.require(longest, cap, "--max-new-tokens ", template)
    return protocol


def require_decoding(
    protocol: EvalProtocol, engine: str, weights: Path, tokenizer: Any, sampler: Sampler | None
) -> None:
    """UserError where the engine, or a caller's own sampler, knows nothing of this option of decoding, and where it
    means nothing for the model."""
    decoding = protocol.decoding
    if decoding is None:
        return
    if sampler is not None or decoding.spec.partition(":")[0] not in find_engine(engine).decodes:
        who = "a sampler of your own" if sampler is not None else f"the engine {engine}"
        raise UserError(f"{who} does not know the decoding option {decoding.spec}: sample with --engine transformers")
    Options(tokenizer, end_tokens_of(weights, tokenizer)).steering(protocol.sampling)
