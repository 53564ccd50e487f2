"""Which head and layout score responses right: compared with the model's own forward (``models.agreement``)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from tersely.config import DecoderName, LearnerConfig, SamplingConfig, TrainConfig
from tersely.errors import UserError, in_one_line
from tersely.facts import Facts
from tersely.learn.attention import attention_of_update, packs, switched
from tersely.learn.batch import TrainingRow
from tersely.learn.heads import HEADS, HeadName
from tersely.learn.logprobs import token_logprobs
from tersely.models.agreement import CONTINUED, NOISE, ModelCheck, PartCheck, Tried, Truth, first_right
from tersely.models.first_layers import first_layers, holds_whole
from tersely.models.memory import ran_out
from tersely.models.positions import refuse_chunks
from tersely.models.tokenizer_check import TokenizerCheck
from tersely.records import Json, JsonObject
from tersely.samplers.decoder_check import check_decoder
from tersely.samplers.engines import TRANSFORMERS
from tersely.samplers.weights import cast_copy

OTHER_MODEL = "its responses would be trained on with a wrong signal; take a model of another architecture"


@dataclass(frozen=True, slots=True)
class BaseCheck:
    """How a model is decoded and scored while it is trained, each the fastest way that is right."""

    decoder: PartCheck | None
    """None where another engine than ours decodes."""
    precision: PartCheck | None
    """None where forward and backward run in the type of the weights."""
    head: PartCheck
    layout: PartCheck

    def sampling(self, settings: SamplingConfig) -> SamplingConfig:
        """The settings with the decoder that is right."""
        return settings if self.decoder is None else settings.model_copy(update={"decoder": self.decoder.chosen})

    def learner(self, settings: LearnerConfig) -> LearnerConfig:
        """The settings with the layout that is right."""
        repaired = len(self.layout.tried) > 1
        return settings.model_copy(update={"layout": self.layout.chosen}) if repaired else settings

    def to_json(self) -> JsonObject:
        """What another process needs to know of it."""
        parts = {"decoder": self.decoder, "precision": self.precision, "head": self.head, "layout": self.layout}
        return {name: None if part is None else asdict(part) for name, part in parts.items()}

    @classmethod
    def from_json(cls, content: Json) -> BaseCheck:
        parts = {name: None if part is None else PartCheck.from_json(part) for name, part in content.items()}
        return cls(**parts)  # type: ignore[arg-type]

    def whole(self, tokenizer: TokenizerCheck, engine: PartCheck | None = None) -> ModelCheck:
        """With what was found of the tokenizer, and of an engine that is not ours."""
        parts = (self.decoder, engine, self.precision, self.head, self.layout)
        return ModelCheck((tokenizer, *(part for part in parts if part is not None)))


def check_base(model: Any, config: TrainConfig, facts: Facts) -> BaseCheck:
    """Compare before anything is sampled, sharded or adapted. UserError where no way is right, RunError for a model
    whose log-probabilities are not numbers. Where the device does not hold the whole model, its first layers stand for
    it there."""
    there = holds_whole(model) and model.device.type == facts.device.type
    exact = Truth(model if there else first_layers(model, facts.device))
    running = exact if facts.dtype == model.dtype else Truth(exact.model, facts.dtype)
    ours = facts.engine == TRANSFORMERS
    decoder = _check_served(exact, facts.dtype, config.sampling.decoder) if ours else None
    precision = check_precision(exact, running)
    head = check_head(exact)
    require_gradient(running, head_name(head))
    return BaseCheck(decoder, precision, head, check_layout(running, head_name(head), config.learner.layout))


def _check_served(exact: Truth, dtype: torch.dtype, asked: DecoderName) -> PartCheck:
    """The decoder that is right for the weights as they are and, where another type is sampled from, for that copy."""
    found = check_decoder(exact, asked)
    if dtype == exact.model.dtype:
        return found
    served = check_decoder(Truth(cast_copy(exact.model, dtype)), found.chosen)
    return PartCheck(served.part, served.bound, (*found.tried[:-1], *served.tried))


def check_precision(exact: Truth, running: Truth) -> PartCheck | None:
    """Whether autocast leaves the model's own forward what it is: no further from that in fp32 than three times a copy
    of the weights in the smaller type (and than one rounding). UserError where it does not; None without autocast.

    Some models (Kimi Linear) compute a state in fp32 that autocast rounds at every step.
    """
    if running.dtype == running.model.dtype:
        return None
    name, bound = str(running.dtype).removeprefix("torch."), running.bound
    gap = running.distance(exact)
    if gap > bound:
        bound = max(bound, NOISE * Truth(cast_copy(exact.model, running.dtype)).distance(exact))
    found = Tried(name, gap)
    if not found.is_within(bound):
        raise UserError(
            f"training in {name} is off by {gap:.2g} nats from this {exact.model.config.model_type} model's own "
            f"forward in float32 (allowed are {bound:.2g}, three times what its weights in {name} are off by): use "
            "--set run.dtype=float32"
        )
    return PartCheck("precision", bound, (found,))


def check_head(truth: Truth) -> PartCheck:
    """The fastest head that is right, rows padded: each alone, and both together. UserError where none is."""
    return first_right("output head", truth, [(name, partial(scorer_gap, truth, name)) for name in HEADS], OTHER_MODEL)


def head_name(found: PartCheck) -> HeadName:
    """The head that was taken."""
    return next(name for name in HEADS if name == found.chosen)


def require_gradient(truth: Truth, head: HeadName) -> None:
    """UserError where no gradient can be taken of what the scorer computes: some models refuse to be trained outside
    their training mode, and in some types operations lack one. Nothing is left in the model."""
    model, row = truth.model, TrainingRow(truth.rows[1][:-CONTINUED], truth.rows[1][-CONTINUED:], None, 0.0, True)
    try:
        with torch.enable_grad(), truth.precision():
            score = token_logprobs(model, [row], 1.0, head=head).logprobs_N.sum()
            # Of the first weights alone: the way there goes through every layer, and one gradient needs no room.
            torch.autograd.grad(score, model.get_input_embeddings().weight)
    # Whatever a backward pass of somebody else's raises.
    except Exception as error:
        if ran_out(error):
            raise
        raise UserError(
            f"no gradient can be taken of this {model.config.model_type} model ({in_one_line(error)}), so it cannot be "
            "trained: take a model of another architecture, or another run.dtype"
        ) from error


def check_layout(truth: Truth, head: HeadName, layout: str) -> PartCheck:
    """Whether rows may be packed where ``layout`` would. UserError where packing was asked for by name and is wrong."""
    model = truth.model
    attention = attention_of_update(model, layout, truth.dtype)
    padded = ("padded", partial(scorer_gap, truth, head))
    if not packs(attention, layout):
        return first_right("layout", truth, [padded], OTHER_MODEL)

    def packed() -> float:
        refuse_chunks(model.config)
        with switched([model], attention):
            return scorer_gap(truth, head, packed=True)

    found = first_right("layout", truth, [("packed", packed), padded], OTHER_MODEL)
    if layout == "packed" and found.chosen != "packed":
        raise UserError(
            f"learner.layout = packed: {found.tried[0].says()} on this {model.config.model_type} model, because rows "
            "beside each other change one another: use --set learner.layout=padded"
        )
    return found


def scorer_gap(truth: Truth, head: HeadName, packed: bool = False) -> float:
    """Largest difference over the response tokens of each row alone and of both together."""
    rows = [TrainingRow(row[:-CONTINUED], row[-CONTINUED:], None, 0.0, True) for row in truth.rows]
    batches = [[rows[0], rows[1]], [rows[1], rows[0]]] if packed else [rows[:1], rows[1:], rows]
    gaps = []
    for batch in batches:
        found = token_logprobs(truth.model, batch, 1.0, packed, head).logprobs_N.split(CONTINUED)
        gaps += [truth.token_gap(rows.index(row), row.tokens, part) for row, part in zip(batch, found, strict=True)]
    return max(gaps)
