"""Typed configuration. A recipe is a TOML file that a person reads; the run folder keeps the resolved JSON.

Every refusal says which setting, what rule, and what would do. Defaults are the paper's (arXiv 2502.04463, 5.1).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tersely.errors import UserError, nearest
from tersely.setting_names import meant

Engine = str
"""What decodes: "auto", a name of ``tersely.samplers.engines.ENGINES``, or a user's own as ``package.module:SPEC``;
looked at where it is resolved."""


class Section(BaseModel):
    """A part of the configuration: frozen, and no unknown key passes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ObjectiveConfig(Section):
    """See ``tersely.objective.Objective``, which validates the values."""

    alpha: float | None = None
    """Price of length; 0.1 where nothing is said and the method is the paper's. Some methods have none."""
    method: str = "paper"
    advantage: str = "rloo"
    normalize: str = "none"
    settings: dict[str, Any] = {}
    """Of the method, by name."""
    schedule: str = "constant"
    schedule_settings: dict[str, Any] = {}
    """Of the schedule, by name."""

    @model_validator(mode="before")
    @classmethod
    def _alpha_of_the_paper(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("method", "paper") == "paper":
            return {"alpha": 0.1, **given}
        return given

    @property
    def label(self) -> str:
        """What a run is called by: "alpha 0.1", or the method where that has no alpha."""
        return self.method.rpartition(":")[2] if self.alpha is None else f"alpha {self.alpha:g}"


DecoderName = Literal["auto", "fused", "model", "equal", "generate", "recompute"]


class SamplingConfig(Section):
    prompts: Annotated[int, Field(ge=1)] = 32
    """Problems an iteration."""
    n: Annotated[int, Field(ge=2)] = 8
    """Responses a problem; the leave-one-out baseline needs at least two."""
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 32000
    decoder: DecoderName = "auto"
    """Of the transformers engine, and the first one that its check tries; see ``tersely.samplers.decoder_check``."""
    max_rows: Annotated[int, Field(ge=1)] = 256
    """Responses decoded at once."""
    engine: Engine = "auto"
    """vllm needs the extra tersely[vllm]. auto: vllm on a GPU where it is installed, else transformers."""
    engine_memory: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Share of the GPU's memory for vLLM's weights and cache together; the rest is the trainer's."""
    engine_sleep: bool = True
    """vLLM gives its GPU memory back while the update runs."""


class LoraConfig(Section):
    """Low-rank adapters beside frozen weights; needs the extra tersely[lora]."""

    rank: Annotated[int, Field(ge=1)] = 32
    alpha: Annotated[float, Field(gt=0.0)] = 64.0
    """An adapter's product is scaled by alpha / rank. (The price of length is objective.alpha.)"""
    targets: Annotated[str, Field(pattern=r"^[\w.-]+(,[\w.-]+)*$")] = "all-linear"
    """Every linear layer but the output head, or names of layers with commas between: q_proj,v_proj."""

    @property
    def target_names(self) -> list[str]:
        return self.targets.split(",")


class LearnerConfig(Section):
    updates: Annotated[int, Field(ge=1)] = 2
    """Gradient steps an iteration (the paper: 256 responses, global batch 128)."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-6
    warmup_steps: Annotated[int, Field(ge=0)] = 6
    betas: tuple[float, float] = (0.9, 0.95)
    adam_epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    optimizer: Literal["adam", "adam8bit"] = "adam"
    """Adam with fp32 moments, or with 8-bit ones (needs the extra tersely[lean], one process): see docs/method.md."""
    clip: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    kl_coefficient: Annotated[float, Field(ge=0.0)] = 1e-3
    kl_in: Literal["reward", "loss"] = "reward"
    loss: str = "ppo_clip"
    """The policy loss, one of ``learn.losses.LOSSES``, or your own as package.module:function."""
    averaging: Literal["sequence", "token", "constant"] = "sequence"
    old_logprobs: Literal["sampler", "trainer"] = "trainer"
    importance_cap: Annotated[float, Field(ge=1.0)] | None = None
    """Weigh every token by trainer's / sampler's probability, at most this (2.0 is usual): see learn/losses/kl.py."""
    skip_no_signal: Literal["auto", "always", "never"] = "auto"
    token_budget: Annotated[int, Field(ge=1)] = 32768
    """Tokens of a micro-batch, prompts and padding included."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more work."""
    layout: Literal["auto", "padded", "packed"] = "auto"
    """Rows padded to their micro-batch, or packed end to end; auto packs where attention is of variable length."""
    sharding: Literal["zero2", "zero3"] = "zero2"
    """With several processes: keep gathered weights between forward and backward (faster), or gather twice (less
    memory). No meaning with one process."""
    lora: LoraConfig | None = None
    """Train adapters alone (any key switches it on); None trains all weights."""

    @model_validator(mode="after")
    def _correctable(self) -> LearnerConfig:
        if self.importance_cap is not None and self.old_logprobs == "sampler":
            raise ValueError(
                f"learner.importance_cap = {self.importance_cap} corrects from the sampler's probabilities to the "
                "trainer's, and with learner.old_logprobs = sampler the ratio of the loss does that already: use --set "
                "learner.old_logprobs=trainer, or leave importance_cap out"
            )
        return self

    @model_validator(mode="after")
    def _adapters_take_adam(self) -> LearnerConfig:
        if self.lora is not None and self.optimizer != "adam":
            raise ValueError(
                f"learner.optimizer = {self.optimizer} would save next to nothing with learner.lora, where the "
                "optimizer holds adapters alone: use --set learner.optimizer=adam"
            )
        return self


class RunConfig(Section):
    steps: Annotated[int, Field(ge=1)] = 100
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    keep: Annotated[int, Field(ge=2)] = 2
    """Checkpoints kept."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 leaves torch's own choice."""
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of forward, backward and sampling; master weights and optimizer are fp32. auto: bfloat16 on a GPU."""
    judge_workers: Annotated[int, Field(ge=1)] = 2
    probe: Annotated[int, Field(ge=0)] | None = None
    """Problems answered once by the base before the first step, to see how many responses the cap truncates. None: 32
    on a GPU, none on a CPU."""
    all_wrong_stop: Annotated[int, Field(ge=0)] = 3
    """Steps in a row without one right answer after which a run ends, because nothing can be learnt; 0: never."""
    unjudged_alarm: Annotated[float, Field(ge=0.0, le=1.0)] = 0.005
    unjudged_stop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05


class AskedConfig(Section):
    """Which model is asked which problems, how, and who judges."""

    model: str
    """Folder or hub id."""
    revision: str | None = None
    """Pins a hub id: branch, tag or commit."""
    task: str
    verifier: str | None = None
    """Your own check of a response, ``package.module:Name``, in place of the judge (docs/verifiers.md)."""
    template: str = "boxed"
    train_size: Annotated[int, Field(ge=1)] | None = None
    """Problems taken from the task; None takes all of a file, and 3200 of the embedded task."""
    seed: Annotated[int, Field(ge=0)] = 0


class TrainConfig(AskedConfig):
    """Everything that makes a training run what it is."""

    objective: ObjectiveConfig = ObjectiveConfig()
    sampling: SamplingConfig = SamplingConfig()
    learner: LearnerConfig = LearnerConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _updates_divide(self) -> TrainConfig:
        if self.sampling.prompts % self.learner.updates:
            raise ValueError(
                f"sampling.prompts = {self.sampling.prompts} cannot be shared evenly by learner.updates = "
                f"{self.learner.updates} gradient steps; make prompts a multiple of updates"
            )
        return self


def recipe_names() -> list[str]:
    folder = resources.files("tersely.recipes")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """A shipped recipe by name, or any TOML file by path."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"recipe file {name} is not there; give a path to a TOML file or one of {recipe_names()}")
        text = path.read_text(encoding="utf-8")
    else:
        if name not in recipe_names():
            raise UserError(
                f"unknown recipe {name!r}{nearest(name, recipe_names())}; known: {', '.join(recipe_names())}"
            )
        text = (resources.files("tersely.recipes") / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"recipe {name} is not valid TOML: {error}") from error


def set_key(settings: dict[str, Any], assignment: str) -> None:
    """Apply ``section.key=value``; the value is read as TOML where it can be (numbers, true), else as text."""
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {assignment!r} is not of the form key=value, for example learner.learning_rate=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    place = settings
    *parents, last = key.strip().split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UserError(f"--set {assignment!r}: {parent!r} is a value, not a section")
    place[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, section by section."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve(settings: Mapping[str, Any]) -> TrainConfig:
    """Validated configuration; UserError in one sentence for the first thing that is wrong."""
    return validated(TrainConfig, settings)


def assemble(recipe: str | None, given: Mapping[str, Any], assignments: Iterable[str] = ()) -> TrainConfig:
    """Recipe, then what was given, then assignments ``section.key=value``; what stands later wins.

    UserError in one sentence for the first thing that is wrong.
    """
    settings = read_recipe(recipe) if recipe else {}
    if "task" in given and given["task"] != settings.get("task"):
        # A recipe's size is of its own task.
        settings.pop("train_size", None)
    settings = merge(settings, given)
    for assignment in assignments:
        set_key(settings, assignment)
    return resolve(settings)


Known = TypeVar("Known", bound=Section)


def validated(kind: type[Known], settings: Mapping[str, Any]) -> Known:
    """The settings as a configuration of ``kind``; UserError in one sentence for the first thing that is wrong."""
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(_sentence(error, kind)) from error


def _sentence(error: ValidationError, kind: type[Section]) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown setting {path!r}{meant(path, known_keys(kind))}"
    if first["type"] == "missing":
        return f"setting {path!r} is missing; give it with --{path} or --set {path}=..."
    if first["type"] == "model_type":
        return f"setting {path} = {first['input']!r} cannot be used: it is a section, so set one of its keys"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"setting {path} = {first['input']!r} cannot be used: {rule}"


def known_keys(section: type[Section] = TrainConfig, prefix: str = "") -> list[str]:
    """Full names of all settings."""
    keys = []
    for name, info in section.model_fields.items():
        # "Section | None" is a section that may be absent.
        kinds = get_args(info.annotation) or (info.annotation,)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]
        keys += known_keys(inner[0], f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return keys
