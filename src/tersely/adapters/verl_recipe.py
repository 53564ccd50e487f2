"""One of our recipes as verl's configuration and parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tersely.adapters.grading import described
from tersely.adapters.recipe import Unlike, objective_keys, require_expressible
from tersely.adapters.verl import ESTIMATOR, VERL
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.extras import install_command
from tersely.records import Problem
from tersely.tasks.prompts import fill, find_template

PROMPT_TOKENS = 1024
"""Most tokens of a prompt, unless ``--override data.max_prompt_length=N`` says otherwise; verl wants a number."""
NO_DUAL_CLIP = 1e9
"""verl bounds the loss of negative advantages (dual clip, 3.0) unless the bound is out of reach."""
UNLIKE = (
    Unlike("learner.kl_in", lambda c: c.learner.kl_in == "reward" and c.learner.kl_coefficient > 0,
           "its KL in the reward is taken away before the advantages, where it cannot be told from the score",
           "--set learner.kl_in=loss, or --set learner.kl_coefficient=0"),
)  # fmt: skip
AVERAGING = {"sequence": "seq-mean-token-mean", "token": "token-mean", "constant": "seq-mean-token-sum-norm"}
SCORE = "pkg://tersely.adapters.verl"


def settings(config: TrainConfig, parquet: Path, checkpoints: Path) -> dict[str, Any]:
    """verl's keys and values for the recipe; UserError for what verl cannot express."""
    require_expressible(VERL, config, UNLIKE)
    return {
        **_data(config, parquet), **_sampling(config), **_loss(config), **_model(config),
        **_run(config, checkpoints), **_objective(config),
    }  # fmt: skip


def _data(config: TrainConfig, parquet: Path) -> dict[str, Any]:
    return {
        "data.train_files": str(parquet),
        "data.val_files": str(parquet),
        "data.train_batch_size": config.sampling.prompts,
        "data.max_prompt_length": PROMPT_TOKENS,
        "data.max_response_length": config.sampling.max_new_tokens,
        "data.seed": config.seed,
    }


def _sampling(config: TrainConfig) -> dict[str, Any]:
    rollout = "actor_rollout_ref.rollout"
    return {
        f"{rollout}.name": "vllm",
        f"{rollout}.n": config.sampling.n,
        f"{rollout}.temperature": config.sampling.temperature,
        f"{rollout}.gpu_memory_utilization": config.sampling.engine_memory,
        f"{rollout}.free_cache_engine": config.sampling.engine_sleep,
        f"{rollout}.tensor_model_parallel_size": 1,
        f"{rollout}.seed": config.seed,
    }


def _loss(config: TrainConfig) -> dict[str, Any]:
    learner, actor = config.learner, "actor_rollout_ref.actor"
    found = {
        # Counted in prompts: verl multiplies by n itself.
        f"{actor}.ppo_mini_batch_size": config.sampling.prompts // learner.updates,
        f"{actor}.ppo_epochs": 1,
        f"{actor}.clip_ratio": learner.clip,
        f"{actor}.clip_ratio_low": learner.clip,
        f"{actor}.clip_ratio_high": learner.clip if learner.clip_high is None else learner.clip_high,
        f"{actor}.clip_ratio_c": NO_DUAL_CLIP if learner.dual_clip is None else learner.dual_clip,
        f"{actor}.loss_agg_mode": AVERAGING[learner.averaging],
        f"{actor}.use_kl_loss": learner.kl_coefficient > 0,
        f"{actor}.kl_loss_coef": learner.kl_coefficient,
        f"{actor}.kl_loss_type": "low_var_kl",
        "algorithm.use_kl_in_reward": False,
        "algorithm.rollout_correction.bypass_mode": learner.old_logprobs == "sampler",
    }
    if learner.averaging == "constant":
        found[f"{actor}.loss_scale_factor"] = config.sampling.max_new_tokens
    if learner.importance_cap is not None:
        found["algorithm.rollout_correction.rollout_is"] = "token"
        found["algorithm.rollout_correction.rollout_is_threshold"] = learner.importance_cap
    return found


def _model(config: TrainConfig) -> dict[str, Any]:
    learner, actor, model = config.learner, "actor_rollout_ref.actor", "actor_rollout_ref.model"
    longest = PROMPT_TOKENS + config.sampling.max_new_tokens
    found = {
        f"{model}.path": config.model,
        f"{model}.enable_gradient_checkpointing": learner.gradient_checkpointing,
        f"{model}.use_remove_padding": learner.layout != "padded",
        f"{actor}.use_dynamic_bsz": True,
        f"{actor}.ppo_max_token_len_per_gpu": max(learner.token_budget, longest),
        f"{actor}.fsdp_config.reshard_after_forward": learner.sharding == "zero3",
        f"{actor}.optim.lr": learner.learning_rate,
        f"{actor}.optim.lr_warmup_steps": learner.warmup_steps,
        f"{actor}.optim.betas": list(learner.betas),
        f"{actor}.optim.weight_decay": 0.0,
        f"{actor}.optim.clip_grad": learner.gradient_clip,
        f"+{actor}.optim.override_optimizer_config.eps": learner.adam_epsilon,
        f"{actor}.checkpoint.save_contents": ["model", "optimizer", "extra", "hf_model"],
    }
    if learner.lora is not None:
        targets = learner.lora.targets
        found[f"{model}.lora_rank"], found[f"{model}.lora_alpha"] = learner.lora.rank, learner.lora.alpha
        found[f"{model}.target_modules"] = targets if targets == "all-linear" else learner.lora.target_names
    return found


def _run(config: TrainConfig, checkpoints: Path) -> dict[str, Any]:
    trackers = [] if config.run.report_to == "none" else [config.run.report_to]
    return {
        "trainer.total_training_steps": config.run.steps,
        # Epochs end a run too; more of them than steps never do.
        "trainer.total_epochs": config.run.steps,
        "trainer.save_freq": config.run.checkpoint_every,
        "trainer.max_actor_ckpt_to_keep": config.run.keep,
        "trainer.default_local_dir": str(checkpoints),
        "trainer.val_before_train": False,
        "trainer.logger": ["console", "file", *trackers],
        "trainer.project_name": "tersely",
        "trainer.experiment_name": config.objective.label.replace(" ", "-"),
        "trainer.n_gpus_per_node": 1,
    }


def _objective(config: TrainConfig) -> dict[str, Any]:
    found = {
        "algorithm.adv_estimator": ESTIMATOR,
        "critic.enable": False,
        f"+algorithm.{ESTIMATOR}": {"cap": config.sampling.max_new_tokens, **objective_keys(config)},
        "reward.custom_reward_function.path": SCORE,
        "reward.custom_reward_function.name": "compute_score",
    }
    if config.verifier is not None:
        found["+reward.custom_reward_function.reward_kwargs.verifier"] = config.verifier
    return found


def hydra_word(key: str, value: Any) -> str:
    """``key=value`` in hydra's own grammar."""
    return f"{key}={_hydra(value)}"


def _hydra(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_hydra, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def rows(problems: Sequence[Problem], template: str, opened: bool = False) -> list[dict[str, Any]]:
    """The rows of verl's data set. Further columns of a problem travel as text, as ``compute_score`` reads them."""
    asked = find_template(template)
    return [
        {
            "data_source": f"tersely/{problem.source}",
            "prompt": [{"role": "user", "content": fill(asked, problem)}],
            "ability": problem.kind,
            "reward_model": {"style": "rule", "ground_truth": problem.gold},
            "extra_info": {"index": i, "split": problem.split, "problem": described(problem), "opened": opened},
        }
        for i, problem in enumerate(problems)
    ]


def write_parquet(path: Path, made: Sequence[dict[str, Any]]) -> None:
    """The rows as the parquet file that verl reads. UserError where pyarrow is absent."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(f"verl reads parquet, and pyarrow is not installed: {install_command('verl')}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(list(made)), path)
