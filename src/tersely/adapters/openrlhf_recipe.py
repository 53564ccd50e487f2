"""One of our recipes as OpenRLHF's command line, data set and agent file."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.adapters.grading import described
from tersely.adapters.openrlhf import OPENRLHF
from tersely.adapters.recipe import Unlike, objective_keys, opens_thoughts, problems_of, require_expressible
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.records import Problem
from tersely.tasks.prompts import fill, find_template

PROMPT_TOKENS = 1024
"""Room for the prompt beside the response in --data.max_len."""
UNLIKE = (
    Unlike("learner.averaging", lambda c: c.learner.averaging == "constant", "it averages over tokens or sequences",
           "--set learner.averaging=sequence"),
    Unlike("learner.old_logprobs", lambda c: c.learner.old_logprobs == "sampler", "its actor computes them again",
           "--set learner.old_logprobs=trainer"),
    Unlike("learner.layout", lambda c: c.learner.layout == "packed", "it packs with flash-attn alone",
           "--override --ds.packing_samples"),
    Unlike("run.report_to", lambda c: c.run.report_to == "trackio", "it knows wandb and tensorboard",
           "--set run.report_to=tensorboard"),
)  # fmt: skip
AVERAGING = {"sequence": "seq-mean-token-mean", "token": "token-mean"}


def arguments(config: TrainConfig, problems: int, data: Path, agent: Path, out: Path) -> dict[str, Any]:
    """OpenRLHF's options for the recipe; a value of True is an option alone. UserError for what it cannot express."""
    require_expressible(OPENRLHF, config, UNLIKE)
    return {**_data(config, problems, data), **_loss(config), **_model(config, out), **_group(agent)}


def _group(agent: Path) -> dict[str, Any]:
    """What makes its advantages ours: rloo, which is whitened by nothing, over rewards that no filter has seen."""
    return {"--train.agent_func_path": agent, "--algo.advantage.estimator": "rloo"}


def _data(config: TrainConfig, problems: int, data: Path) -> dict[str, Any]:
    sampling = config.sampling
    samples, episodes = _episodes(config.run.steps, sampling.prompts, problems)
    return {
        "--data.prompt_dataset": data,
        "--data.input_key": "prompt",
        "--data.label_key": "label",
        "--data.apply_chat_template": True,
        "--data.max_samples": samples,
        "--data.max_len": sampling.max_new_tokens + PROMPT_TOKENS,
        "--train.num_episodes": episodes,
        "--rollout.batch_size": sampling.prompts,
        "--rollout.n_samples_per_prompt": sampling.n,
        "--rollout.max_new_tokens": sampling.max_new_tokens,
        "--rollout.temperature": sampling.temperature,
        "--vllm.gpu_memory_utilization": sampling.engine_memory,
        "--vllm.num_engines": 1,
        **({"--vllm.enable_sleep": True} if sampling.engine_sleep else {}),
        "--train.colocate_all": True,
    }


def _episodes(steps: int, prompts: int, problems: int) -> tuple[int, int]:
    """(problems taken, passes over them) that make exactly so many steps."""
    each = problems // prompts
    if steps <= each:
        return steps * prompts, 1
    if each and steps % each == 0:
        return each * prompts, steps // each
    near = f"run.steps={max(1, round(steps / each)) * each}" if each else f"sampling.prompts={problems}"
    raise UserError(
        f"run.steps = {steps} cannot be had in openrlhf: it counts whole passes over the problems, and one over "
        f"{problems} makes {each} steps of {prompts}; nearest is --set {near}"
    )


def _loss(config: TrainConfig) -> dict[str, Any]:
    learner = config.learner
    found: dict[str, Any] = {
        "--train.batch_size": config.sampling.prompts * config.sampling.n // learner.updates,
        "--train.max_epochs": 1,
        "--actor.eps_clip_low_high": [learner.clip, learner.clip if learner.clip_high is None else learner.clip_high],
        "--actor.loss_agg_mode": AVERAGING[learner.averaging],
        "--algo.kl.init_coef": learner.kl_coefficient,
        "--algo.kl.estimator": "k1" if learner.kl_in == "reward" else "k3",
    }
    if learner.kl_in == "loss" and learner.kl_coefficient > 0:
        found["--algo.kl.use_loss"] = True
    if learner.dual_clip is not None:
        found["--actor.dual_clip"] = learner.dual_clip
    if learner.importance_cap is not None:
        found["--algo.advantage.is_correction_level"] = "token"
        found["--algo.advantage.is_correction_mode"] = "clip"
        found["--algo.advantage.is_correction_threshold"] = [0.0, learner.importance_cap]
    return found


def _model(config: TrainConfig, out: Path) -> dict[str, Any]:
    learner, steps = config.learner, config.run.steps * config.learner.updates
    found: dict[str, Any] = {
        "--actor.model_name_or_path": config.model,
        "--actor.adam.lr": learner.learning_rate,
        "--actor.adam.betas": list(learner.betas),
        "--actor.adam.eps": learner.adam_epsilon,
        "--actor.max_norm": learner.gradient_clip,
        "--actor.lr_scheduler": "constant_with_warmup",
        # It rounds the share up to whole gradient steps.
        "--actor.lr_warmup_ratio": math.floor(learner.warmup_steps / steps * 1e6) / 1e6,
        "--actor.num_gpus_per_node": 1,
        "--ref.num_gpus_per_node": 1,
        "--ds.zero_stage": 3 if learner.sharding == "zero3" else 2,
        "--train.dynamic_batch_enable": True,
        "--train.max_tokens_per_gpu": max(learner.token_budget, config.sampling.max_new_tokens + PROMPT_TOKENS),
        "--train.seed": config.seed,
        "--ckpt.save_steps": config.run.checkpoint_every,
        "--ckpt.max_num": config.run.keep,
        "--ckpt.save_hf": True,
        "--ckpt.path": out / "checkpoints",
        "--ckpt.output_dir": out / "model",
    }
    if learner.gradient_checkpointing:
        found["--actor.gradient_checkpointing_enable"] = True
    if learner.lora is not None:
        found |= {"--ds.lora.rank": learner.lora.rank, "--ds.lora.alpha": round(learner.lora.alpha)}
        found["--ds.lora.target_modules"] = learner.lora.target_names
    if config.run.report_to == "tensorboard":
        found["--logger.tensorboard_dir"] = out / "tensorboard"
    return found


def rows(problems: Sequence[Problem], template: str) -> list[dict[str, Any]]:
    """The rows of OpenRLHF's data set: messages, and the problem as the label."""
    asked = find_template(template)
    return [
        {"prompt": [{"role": "user", "content": fill(asked, problem)}], "label": described(problem)}
        for problem in problems
    ]


def agent_file(config: TrainConfig, opened: bool) -> str:
    """The agent's file: our executor with the recipe's objective."""
    keys: dict[str, Any] = {**objective_keys(config), "opened": opened}
    if config.verifier is not None:
        keys["verifier"] = config.verifier
    said = ", ".join(f"{key}={value!r}" for key, value in keys.items())
    return f"from tersely.adapters.openrlhf import agent_executor\n\nAgentExecutor = agent_executor({said})\n"


def shown(found: Mapping[str, Any], overrides: Sequence[str] = ()) -> str:
    """The command as it can be pasted, an option a line."""
    words = ["python -m openrlhf.cli.train_ppo_ray"]
    for name, value in found.items():
        values = [] if value is True else value if isinstance(value, list) else [value]
        words.append(shlex.join([name, *(f"{v:g}" if isinstance(v, float) else str(v) for v in values)]))
    return " \\\n  ".join([*words, *map(shlex.quote, overrides)])


@dataclass(frozen=True, slots=True)
class OpenRLHFRun:
    """A recipe to be trained by OpenRLHF, whose files stand in ``out.openrlhf``."""

    config: TrainConfig
    out: Path
    overrides: Sequence[str] = ()

    def prepare(self) -> str:
        """Write data set and agent's file, once all that OpenRLHF cannot express is refused; returns its command."""
        work = self.out.with_name(f"{self.out.name}.openrlhf").absolute()
        require_expressible(OPENRLHF, self.config, UNLIKE)
        problems = problems_of(self.config)
        data, agent = work / "train.jsonl", work / "agent.py"
        found = arguments(self.config, len(problems), data, agent, work)
        work.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False) for row in rows(problems, self.config.template)]
        data.write_text("\n".join(lines) + "\n", encoding="utf-8")
        agent.write_text(agent_file(self.config, opens_thoughts(self.config.model)), encoding="utf-8")
        return shown(found, self.overrides)
