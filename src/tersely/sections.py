"""The settings by section, each with its default and a sentence: docs/settings.md is made from them.

Defaults are the paper's (arXiv 2502.04463, 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tersely.run_sections import CheckpointConfig, RunConfig
from tersely.section import Section

Engine = str
"""Looked at where it is resolved: a name of ``tersely.samplers.engines.ENGINES``, or a user's own."""


class ObjectiveConfig(Section):
    """See ``tersely.objective.Objective``, which validates the values."""

    alpha: float | None = None
    """Price of length, of the paper in [0, 1) and 0.1 where nothing is said; others have their own, or none."""
    method: str = "paper"
    """What is rewarded: paper, linear, truncation, dot, kimi, l1-exact, l1-max, cosine, dapo-overlong, laser, laser-d,
    shorterbetter, grpo-lead, acoer, laconic, arlcp, o1-pruner, prime-rl, alp, hapo, leash or gr3 (docs/method.md), or
    your own as package.module:Name."""
    advantage: str = "rloo"
    """Baseline of a group: rloo (mean of the other responses) or mean (of all)."""
    normalize: str = "none"
    """Scale of the advantages: none, group (by the deviation of a group) or batch (whitened over a step)."""
    settings: dict[str, Any] = {}
    """Of the method, by name: --set objective.settings.KEY=VALUE."""
    schedule: str = "constant"
    """What alpha is at a step: constant, linear (rises from start over steps), or your own as package.module:Name."""
    schedule_settings: dict[str, Any] = {}
    """Of the schedule, by name: --set objective.schedule_settings.steps=20."""

    filter: str = "none"
    """Groups that are left out of a step: none, all_wrong (no right answer) or equal (nor any difference in reward)."""
    levels: dict[str, float] = {}
    """Alpha by level of effort, in place of alpha: --set objective.levels.low=0.4. Each group draws one and is
    asked for it by level_line."""

    @model_validator(mode="before")
    @classmethod
    def _alpha_of_the_paper(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("method", "paper") == "paper" and not given.get("levels"):
            return {"alpha": 0.1, **given}
        return given

    def record(self) -> dict[str, Any]:
        """The settings as files keep them: what is off leaves no key, so that runs from before it was there go on."""
        off = {"filter": "none", "levels": {}}
        return {name: value for name, value in self.model_dump().items() if off.get(name) != value}

    @property
    def label(self) -> str:
        """What a run is called by: "alpha 0.1", "kimi alpha 0.4", "efforts", or the method where alpha is not given."""
        name = self.method.rpartition(":")[2]
        if self.levels:
            return "efforts" if name == "paper" else f"{name} efforts"
        if self.alpha is None:
            return name
        return f"alpha {self.alpha:g}" if name == "paper" else f"{name} alpha {self.alpha:g}"


DecoderName = Literal["auto", "fused", "model", "equal", "generate", "recompute"]


class SamplingConfig(Section):
    prompts: Annotated[int, Field(ge=1)] = 32
    """Problems an iteration."""
    n: Annotated[int, Field(ge=2)] = 8
    """Responses a problem; the leave-one-out baseline needs at least two."""
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    """Of sampling; 1 draws from the policy that is trained."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 32000
    """Cap: a response that reaches it is truncated and earns nothing."""
    decoder: DecoderName = "auto"
    """Of the transformers engine: the first that is compared with the model's own forward; a slower one is taken where
    it differs."""
    max_rows: Annotated[int, Field(ge=1)] = 256
    """Responses decoded at once."""
    engine: Engine = "auto"
    """What decodes: auto, vllm (needs the extra tersely[vllm]), transformers, or your own as package.module:SPEC. auto:
    vllm on a GPU where it is installed, else transformers."""
    engine_memory: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Share of the GPU's memory for vLLM's weights and cache together; the rest is the trainer's."""
    engine_sleep: bool = True
    """vLLM gives its GPU memory back while the update runs."""
    engine_options: dict[str, Any] = {}
    """Of the engine, by its own names: --set sampling.engine_options.KEY=VALUE. vLLM: arguments of vllm.LLM, such as
    kv_cache_dtype, quantization, speculative_config, tensor_parallel_size (docs/scaling.md)."""

    def record(self) -> dict[str, Any]:
        """The settings as files keep them: what is off leaves no key, so that runs from before it was there go on."""
        return self.model_dump(mode="json", exclude=None if self.engine_options else {"engine_options"})


class LoraConfig(Section):
    """Low-rank adapters beside frozen weights; needs the extra tersely[lora]."""

    rank: Annotated[int, Field(ge=1)] = 32
    """Of the two factors of an adapter."""
    alpha: Annotated[float, Field(gt=0.0)] = 64.0
    """An adapter's product is scaled by alpha / rank. (The price of length is objective.alpha.)"""
    targets: Annotated[str, Field(pattern=r"^[\w.-]+(,[\w.-]+)*$")] = "all-linear"
    """Every linear layer but the output head, or names of layers with commas between: q_proj,v_proj."""

    @property
    def target_names(self) -> list[str]:
        return self.targets.split(",")


def adapters_take_adam(section: str, lora: LoraConfig | None, optimizer: str) -> None:
    """ValueError where adapters are to be trained by another optimizer."""
    if lora is not None and optimizer != "adam":
        raise ValueError(
            f"{section}.optimizer = {optimizer} would save next to nothing with {section}.lora, where the optimizer "
            f"holds adapters alone: use --set {section}.optimizer=adam"
        )


class LearnerConfig(Section):
    updates: Annotated[int, Field(ge=1)] = 2
    """Gradient steps an iteration (the paper: 256 responses, global batch 128)."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-6
    """Adam's, once warm-up has ended."""
    warmup_steps: Annotated[int, Field(ge=0)] = 6
    """Gradient steps over which the learning rate rises; step k of w gets k / w."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Adam's decay of its two moments."""
    adam_epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the root of Adam's second moment."""
    optimizer: Literal["adam", "adam8bit"] = "adam"
    """Adam with fp32 moments, or with 8-bit ones (needs the extra tersely[lean], one process): see docs/method.md."""
    clip: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The policy's ratio is clipped to 1 - clip .. 1 + clip."""
    clip_high: Annotated[float, Field(gt=0.0)] | None = None
    """Upper bound of the ratio, 1 + clip_high, if other than clip (clip-higher of DAPO: 0.28); none: clip."""
    dual_clip: Annotated[float, Field(gt=1.0)] | None = None
    """Where the advantage is negative, a token loses at most dual_clip * abs(advantage); none: no such bound."""
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradient."""
    kl_coefficient: Annotated[float, Field(ge=0.0)] = 1e-3
    """Price of a nat between policy and base; 0 switches the term off."""
    kl_in: Literal["reward", "loss"] = "reward"
    """Where the KL term stands: k1 in the reward, or k3 in the loss."""
    loss: str = "ppo_clip"
    """The policy loss: ppo_clip, kl_cov (no clip; holds the tokens that cost most entropy), or your own as
    package.module:function."""
    kl_cov_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.002
    """With loss = kl_cov: share of a gradient step's tokens that are held, those of the largest covariance between
    log-probability and advantage."""
    kl_cov_coefficient: Annotated[float, Field(gt=0.0)] = 1.0
    """With loss = kl_cov: price of a nat between what the policy and the sampling one make of a held token."""
    averaging: Literal["sequence", "token", "constant"] = "sequence"
    """Weight of a response's tokens: the same for every response, for every token, or tokens / max_new_tokens
    (Dr. GRPO)."""
    old_logprobs: Literal["sampler", "trainer"] = "trainer"
    """Whose log-probabilities the ratio starts from: the sampler's own, or a pass of the trainer."""
    importance_cap: Annotated[float, Field(ge=1.0)] | None = None
    """Weigh every token by trainer's / sampler's probability, at most this (2.0 is usual); none: do not, but by 2.0
    where sampling.engine_options make the sampler less precise than the model (quantised weights, an FP8 cache)."""
    skip_no_signal: Literal["auto", "always", "never"] = "auto"
    """Leave responses without advantage out of the update; auto: where the KL term is off, which changes nothing."""
    mask_truncated: bool = False
    """Leave truncated responses out of the loss (overlong filtering of DAPO); they still count in the baseline."""
    token_budget: Annotated[int, Field(ge=1)] = 32768
    """Tokens of a micro-batch, prompts and padding included."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more work."""
    under_the_tail: bool = False
    """Compute old and reference log-probabilities of responses that have ended while the last are decoded, each in a
    pass of its own; needs memory for both, and one process."""
    layout: Literal["auto", "padded", "packed"] = "auto"
    """Rows padded to their micro-batch, or packed end to end; auto packs where attention is of variable length."""
    sharding: Literal["zero2", "zero3"] = "zero2"
    """With several processes: keep gathered weights between forward and backward (faster), or gather twice (less
    memory). No meaning with one process."""
    lora: LoraConfig | None = None
    """Train adapters alone (any key switches it on); none trains all weights."""

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
    def _no_bounds_without_a_clip(self) -> LearnerConfig:
        bounds = [name for name in ("clip_high", "dual_clip") if getattr(self, name) is not None]
        if self.loss == "kl_cov" and bounds:
            raise ValueError(
                f"learner.{bounds[0]} bounds the policy's ratio, and learner.loss = kl_cov has no such bound: leave "
                f"{bounds[0]} out, or use --set learner.loss=ppo_clip"
            )
        return self

    @model_validator(mode="after")
    def _adapters_take_adam(self) -> LearnerConfig:
        adapters_take_adam("learner", self.lora, self.optimizer)
        return self


LEVEL_LINE = "Effort: {level}"


class AskedConfig(Section):
    """Which model is asked which problems, how, and who judges."""

    model: str
    """Folder, run folder or hub id of a causal language model."""
    revision: str | None = None
    """Pins a hub id: branch, tag or commit."""
    task: str
    """arithmetic, countdown or ordering (embedded), a named task such as gsm8k, or a JSONL file with problem and answer
    a line."""
    verifier: str | None = None
    """Your own check of a response, package.module:Name, in place of the judge (docs/verifiers.md)."""
    drop_unjudgeable: bool = False
    """Leave out problems whose gold answers cannot be judged, where a task with such is otherwise refused."""
    template: str = "boxed"
    """How a problem becomes a prompt: question, boxed, paper-raw, plain, or a text with {question} in it."""
    train_size: Annotated[int, Field(ge=1)] | None = None
    """Problems taken from the task; none takes all of a file, and 3200 of the embedded task."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Every random choice is a function of it and the step."""


class TrainConfig(AskedConfig):
    """Everything that makes a training run what it is."""

    budgets: tuple[int, int] | None = None
    """Least and most tokens that prompts ask for, drawn once a problem, for objectives that look at it: [100, 4000]."""
    budget_line: Literal["limit", "length", "tale"] = "limit"
    """How a prompt asks for them: the instruction of that name (tersely evaluate --instruction limit:512)."""
    level_line: str = LEVEL_LINE
    """The line at the end of a prompt that asks for a level of objective.levels, with {level} for its name."""
    objective: ObjectiveConfig = ObjectiveConfig()
    sampling: SamplingConfig = SamplingConfig()
    learner: LearnerConfig = LearnerConfig()
    run: RunConfig = RunConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    health: dict[str, Any] = {}
    """Health rules by name, each a threshold beyond which the run stops, or off, warn or stop: --set health.kl=0.5. By
    default length_collapse and accuracy_floor stop and the others warn (docs/health.md)."""

    @property
    def drawn(self) -> int:
        """Problems sampled an iteration."""
        return math.ceil(self.sampling.prompts * self.run.oversample)

    @model_validator(mode="after")
    def _oversampled_for_a_filter(self) -> TrainConfig:
        if self.run.oversample > 1 and self.objective.filter == "none":
            raise ValueError(
                f"run.oversample = {self.run.oversample:g} draws problems in place of groups that are left out, and "
                "with objective.filter = none no group is: add --set objective.filter=all_wrong, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _budgets_fit(self) -> TrainConfig:
        if self.budgets is not None and not 1 <= self.budgets[0] <= self.budgets[1] <= self.sampling.max_new_tokens:
            raise ValueError(
                f"budgets = {list(self.budgets)} must rise from 1 at least and stay within sampling.max_new_tokens = "
                f"{self.sampling.max_new_tokens}, beyond which no response can be"
            )
        return self

    @model_validator(mode="after")
    def _level_is_asked_for(self) -> TrainConfig:
        if self.level_line.count("{level}") != 1 or len(self.level_line.splitlines()) != 1:
            raise ValueError(f"level_line = {self.level_line!r} must be one line with {{level}} once in it")
        return self

    @model_validator(mode="after")
    def _updates_divide(self) -> TrainConfig:
        if self.sampling.prompts % self.learner.updates:
            raise ValueError(
                f"sampling.prompts = {self.sampling.prompts} cannot be shared evenly by learner.updates = "
                f"{self.learner.updates} gradient steps; make prompts a multiple of updates"
            )
        return self
