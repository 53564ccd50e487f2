"""SFT and DPO through TRL's trainers, with token ids in and weights out: no text is tokenised, nothing is pickled.

TRL would tokenise, cut at ``max_length``, keep its own checkpoints (torch pickles), send usage data and change the
model's configuration. Data sets are therefore given in the form its collators read, saving is off, its output folder is
a temporary one, and the weights that come out are put into a model that TRL never saw.
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from tersely.baselines.records import OnStep, TuningStep
from tersely.baselines.settings import TuningConfig
from tersely.errors import RunError, UserError
from tersely.extras import install_command
from tersely.learn.optimizer import Adam8bit
from tersely.stop import Stopped, StopRequest

IGNORED = -100
"""Label of a position without loss: the prompt."""
LOWEST_SHARE = 0.1
"""Learning rate at the end, as a share of the highest."""


Keywords: TypeAlias = Mapping[str, Any]
"""Arguments of another library's functions, by name."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the response to learn (``rejected``: the one to prefer it to)."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        """Tokens of its longer row."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected or ()))


def require_trl() -> None:
    """UserError where TRL or what it needs is not installed."""
    missing = [name for name in ("trl", "datasets", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"this baseline is trained by TRL, but {' and '.join(missing)} is not installed: "
            f"{install_command('baselines')}"
        )


def sft_row(example: Example) -> dict[str, list[int]]:
    """What TRL's collator for language modelling reads: the loss is on the response alone."""
    ids, ignored = [*example.prompt, *example.chosen], [IGNORED] * len(example.prompt)
    return {"input_ids": ids, "labels": ignored + list(example.chosen)}


def dpo_row(example: Example) -> dict[str, list[int]]:
    """What TRL's collator for preferences reads."""
    assert example.rejected is not None
    named = {"prompt_ids": example.prompt, "chosen_ids": example.chosen, "rejected_ids": example.rejected}
    return {name: list(ids) for name, ids in named.items()}


def micro_size(examples: Sequence[Example], batch: int, token_budget: int) -> int:
    """Examples of a micro-batch: the largest divisor of ``batch`` whose widest rows fit the budget, at least 1."""
    rows = 1 if examples[0].rejected is None else 2
    room = token_budget // (rows * max(example.width for example in examples))
    return max(size for size in range(1, batch + 1) if batch % size == 0 and (size <= room or size == 1))


def tune(
    method: str,
    model: Any,
    reference: Any | None,
    tokenizer: Any,
    examples: Sequence[Example],
    config: TuningConfig,
    *,
    dtype: torch.dtype,
    seed: int,
    on_step: OnStep,
    stop: StopRequest,
) -> int:
    """Train ``model`` in place by "sft" or "dpo"; returns the optimizer steps taken.

    Raises RunError on a loss that is not finite, Stopped when asked to stop: training is not resumed in the middle.
    """
    require_trl()
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    rows = [sft_row(e) if method == "sft" else dpo_row(e) for e in examples]
    batch = min(config.batch, len(examples))
    with tempfile.TemporaryDirectory(prefix="tersely-trl-") as scratch, warnings.catch_warnings():
        # Of names that TRL and transformers will change one day: nothing that a user could do.
        warnings.simplefilter("ignore", FutureWarning)
        shared = _arguments(config, scratch, model, dtype, seed, warmup_of(config, len(examples), batch))
        shared["per_device_train_batch_size"] = micro = micro_size(examples, batch, config.token_budget)
        shared["gradient_accumulation_steps"] = batch // micro
        given = {"model": model, "train_dataset": Dataset.from_list(rows), "processing_class": _padding(tokenizer)}
        if config.optimizer != "adam":
            given["optimizers"] = (make_adam8bit(model, config), None)
        watch = _watch(on_step, stop)
        trainer = _sft(shared, given, watch) if method == "sft" else _dpo(shared, given, watch, config, reference)
        watch.trainer = trainer
        trainer.train()
        if stop.requested and trainer.state.global_step < trainer.state.max_steps:
            raise Stopped(stop.requested, "the samples are kept, and training begins anew from them")
        return int(trainer.state.global_step)


def make_adam8bit(model: Any, config: TuningConfig) -> torch.optim.Optimizer:
    """Ours, on fp32 masters whatever is computed with: TRL clips the gradients that it finds at the weights."""
    return Adam8bit(model, config.learning_rate, config.betas, config.adam_epsilon, torch.float32)


def _padding(tokenizer: Any) -> Any:
    """The tokenizer with a padding token, which TRL insists on. Any will do: padding is masked and never learnt."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def warmup_of(config: TuningConfig, examples: int, batch: int) -> float:
    """Share of the optimizer steps, as TRL takes it and rounds it up; a single step, at which its rate would still be
    0, has none."""
    return config.warmup_share if config.epochs * math.ceil(examples / batch) > 1 else 0.0


def _arguments(
    config: TuningConfig, scratch: str, model: Any, dtype: torch.dtype, seed: int, warmup: float
) -> dict[str, Any]:
    on_cpu = model.device.type == "cpu"
    return {
        "output_dir": scratch,
        "num_train_epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": LOWEST_SHARE},
        "warmup_steps": warmup,
        "optim": "adamw_torch",
        "weight_decay": 0.0,
        "adam_beta1": config.betas[0],
        "adam_beta2": config.betas[1],
        "adam_epsilon": config.adam_epsilon,
        "max_grad_norm": config.gradient_clip,
        "gradient_checkpointing": config.gradient_checkpointing,
        # Frozen weights give what enters a layer no gradient, which the other kind needs.
        **({"gradient_checkpointing_kwargs": {"use_reentrant": False}} if config.lora else {}),
        "bf16": dtype == torch.bfloat16,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "seed": seed,
        "data_seed": seed,
        "max_length": None,
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
    }


def _sft(shared: Keywords, given: Keywords, watch: Any) -> Any:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    class Trainer(_TokenCounter, SFTTrainer):  # type: ignore[misc]
        pass

    # Prepared already: nothing is tokenised, nothing cut.
    arguments = SFTConfig(**shared, dataset_kwargs={"skip_prepare_dataset": True}, packing=False)
    return _quiet(Trainer(args=arguments, callbacks=[watch], **given))


def _dpo(shared: Keywords, given: Keywords, watch: Any, config: TuningConfig, reference: Any) -> Any:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Trainer(_TokenCounter, DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            # DPOTrainer has no switch for ids that are given; its collator takes them as they are.
            return dataset

    arguments = DPOConfig(**shared, beta=config.dpo_beta)
    return _quiet(Trainer(args=arguments, ref_model=reference, callbacks=[watch], **given))


class _TokenCounter:
    """Over TRL's trainers: counts the tokens read and learnt, and says nothing to anybody."""

    tokens_read = tokens_learnt = 0

    def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        self.tokens_read += int(inputs["attention_mask"].sum())
        # Preferences are told by a mask, language modelling by its labels.
        learnt = inputs["completion_mask"] if "completion_mask" in inputs else inputs["labels"] != IGNORED
        self.tokens_learnt += int(learnt.sum())
        return super().training_step(model, inputs, *more, **named)  # type: ignore[misc]

    def _send_telemetry(self) -> None:
        return None


def _quiet(trainer: Any) -> Any:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _watch(on_step: OnStep, stop: StopRequest) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Passes on the numbers of every optimizer step, and ends training when asked to."""

        trainer: Any = None

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.last, self.read, self.learnt = time.perf_counter(), 0, 0

        def on_log(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            logs: dict[str, float] = named["logs"]
            if "loss" not in logs:
                return
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise RunError(
                    f"the loss ({logs['loss']}) or the gradient norm ({logs['grad_norm']}) of step {state.global_step} "
                    f"is not finite: nothing was saved; lower the learning rate (now {args.learning_rate})"
                )
            now, read, learnt = time.perf_counter(), self.trainer.tokens_read, self.trainer.tokens_learnt
            seconds, tokens = now - self.last, (read - self.read, learnt - self.learnt)
            on_step(TuningStep(state.global_step, state.max_steps, logs, seconds, *tokens))
            self.last, self.read, self.learnt = now, read, learnt

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop.requested:
                control.should_training_stop = True

    return Watch()
