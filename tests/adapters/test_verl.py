"""verl's own code paths on a CPU; run by ``scripts/engines verl``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("verl", reason="scripts/engines verl")

import torch

import golden_batches
from golden_groups import ALPHA, CAP, golden, interleaved
from tersely.adapters.verl import ESTIMATOR, compute_score, register
from tersely.adapters.verl_import import import_run
from tersely.adapters.verl_recipe import hydra_word, rows, settings, write_parquet
from tersely.config import TrainConfig, assemble
from tersely.errors import UserError
from tersely.evaluation.runs import read_run
from tersely.learn.losses.base import LossInputs
from tersely.learn.losses.ppo_clip import policy_loss
from tersely.records import Problem, content_id
from tiny_models import make_model, make_tokenizer

HERE = Path(__file__)


def recipe(*assignments: str) -> TrainConfig:
    return assemble("paper-1.5b", {"objective": {"alpha": ALPHA}}, ["learner.kl_in=loss", *assignments])


def problems() -> list[Problem]:
    asked = [("What is 1+1?", "2"), ("What is 20+22?", "42"), ("What is half of one?", "\\frac{1}{2}")]
    return [Problem(content_id(q, a), q, a, "math", "toy", payload={"column": ["x", {"y": 1}]}) for q, a in asked]


def composed(*words: str) -> Any:
    from hydra import compose, initialize_config_module

    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=list(words))


def algorithm(**ours: Any) -> Any:
    """verl's own configuration of the algorithm, with ours in it."""
    return composed(hydra_word(f"+algorithm.{ESTIMATOR}", {"cap": CAP, **ours})).algorithm


def advantages(found: Any, config: Any, name: str = ESTIMATOR) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Through the trainer's own way from a batch to advantages: (advantages, returns, mask)."""
    from verl import DataProto
    from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories

    rewards, mask, uids = golden_batches.tensors(found)
    data = DataProto.from_dict(
        tensors={"token_level_rewards": rewards, "response_mask": mask},
        non_tensors={"uid": np.array(uids, dtype=object)},
    )
    keys = [f"{uid}_{i}_0" for i, uid in enumerate(uids)]
    data = compute_advantage_for_multi_trajectories(data, keys, adv_estimator=name, config=config)
    return data.batch["advantages"], data.batch["returns"], mask


@pytest.mark.parametrize("found", [golden(), interleaved()], ids=["in order", "apart"])
def test_the_golden_groups_through_verls_trainer(found: Any) -> None:
    given, returns, mask = advantages(found, algorithm(alpha=ALPHA))
    golden_batches.require_golden(found, mask, given, returns)


def test_verls_own_rloo_agrees_where_nothing_is_priced() -> None:
    found = golden(["mixed", "one right", "all wrong", "three", "two"])
    config = algorithm(alpha=0.0)
    ours, theirs = (advantages(found, config, name)[0] for name in (ESTIMATOR, "rloo"))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["kimi", "truncation", "dapo-overlong", "grpo-lead"])
def test_other_methods_are_those_of_the_objective(method: str) -> None:
    from golden_credit import credit_of
    from tersely import Objective

    chosen = {"limit": 300} if method == "truncation" else {"buffer": 100} if method == "dapo-overlong" else {}
    config = algorithm(method=method, **({"settings": chosen} if chosen else {}))
    given, _, mask = advantages(golden(), config)
    wanted = credit_of(golden(), Objective(method=method, settings=chosen)).advantages_N
    np.testing.assert_allclose(given.numpy(), wanted[:, None] * mask.numpy(), atol=1e-6)


def test_kl_in_the_reward_and_missing_settings_are_refused() -> None:
    config = composed(hydra_word("+algorithm.tersely", {"cap": 5}), "algorithm.use_kl_in_reward=true").algorithm
    with pytest.raises(UserError, match=r"algorithm\.use_kl_in_reward takes KL away from the score before"):
        advantages(golden(), config)
    with pytest.raises(UserError, match=r"algorithm\.tersely is missing"):
        advantages(golden(), composed().algorithm)
    with pytest.raises(UserError, match="method 'hapo' needs which problem a group answers"):
        advantages(golden(), algorithm(method="hapo"))


# --- registration


REGISTERED = (
    "import verl; from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY as r; assert 'tersely' in r, r"
)


def test_verl_finds_the_estimator_by_the_entry_point() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", REGISTERED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def ray_here() -> Any:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    yield ray
    ray.shutdown()


def test_a_ray_worker_finds_it_too(ray_here: Any) -> None:
    @ray_here.remote
    def found() -> bool:
        import verl  # noqa: F401
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

        return "tersely" in ADV_ESTIMATOR_REGISTRY

    assert ray_here.get(found.remote())


def test_to_register_twice_is_no_mistake() -> None:
    register()
    register()


# --- data set and reward


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = make_tokenizer()
    make_model(len(tokenizer), "llama").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.parquet"
    write_parquet(path, rows(problems(), "question"))
    return path


@pytest.fixture(scope="module")
def whole(model: Path, parquet: Path) -> Any:
    """The recipe as verl's whole configuration."""
    found = settings(
        recipe(f"model={model}", "sampling.max_new_tokens=16", "sampling.prompts=2"), parquet, parquet.parent
    )
    words = [hydra_word(key, value) for key, value in found.items()]
    return composed(*words, "reward.num_workers=2", "data.train_batch_size=2")


def test_the_recipe_is_a_configuration_that_verl_takes(whole: Any) -> None:
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    validate_config(whole, use_reference_policy=need_reference_policy(whole), use_critic=need_critic(whole))
    assert not need_critic(whole)
    assert need_reference_policy(whole)
    assert whole.algorithm.tersely == {"cap": 16, "alpha": ALPHA}


def test_verls_data_set_reads_our_parquet(whole: Any, model: Path) -> None:
    from transformers import AutoTokenizer
    from verl.utils.dataset.rl_dataset import RLHFDataset

    read = RLHFDataset(list(whole.data.train_files.split(",")), AutoTokenizer.from_pretrained(model), whole.data)
    assert len(read) == 3
    assert read[1]["raw_prompt"][0]["content"] == "What is 20+22?"
    assert read[1]["reward_model"]["ground_truth"] == "42"
    assert read[1]["data_source"] == "tersely/toy"


def answers(tokenizer: Any) -> Any:
    """A batch as verl's rollouts leave it: right, wrong and, to the verifier, beyond saying."""
    from verl import DataProto

    texts = [r"It is \boxed{2}.", r"It is \boxed{41}.", r"So \boxed{0.5}"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    width = max(map(len, ids))
    responses = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    attention = torch.tensor([[1] + [1] * len(row) + [0] * (width - len(row)) for row in ids])
    made = rows(problems(), "question")
    columns = {
        name: np.array([row[name] for row in made], dtype=object)
        for name in ("data_source", "reward_model", "extra_info")
    }
    prompts = torch.ones(3, 1, dtype=torch.long)
    tensors = {"prompts": prompts, "responses": responses, "attention_mask": attention}
    return DataProto.from_dict(tensors=tensors, non_tensors=columns)


def test_verls_reward_manager_asks_our_judge(whole: Any, model: Path) -> None:
    from transformers import AutoTokenizer
    from verl.trainer.ppo.reward import load_reward_manager

    tokenizer = AutoTokenizer.from_pretrained(model)

    async def scored() -> list[dict[str, Any]]:
        manager = load_reward_manager(whole, tokenizer)
        data = answers(tokenizer)
        return [await manager.run_single(data[i : i + 1]) for i in range(len(data))]

    found = asyncio.run(scored())
    assert [one["reward_score"] for one in found] == [1.0, 0.0, 1.0]
    assert [one["reward_extra_info"]["acc"] for one in found] == [1.0, 0.0, 1.0]


def test_the_reward_loop_in_rays_workers_asks_our_judge(ray_here: Any, whole: Any, model: Path) -> None:
    from transformers import AutoTokenizer
    from verl.experimental.reward_loop.reward_loop import RewardLoopManager

    found = RewardLoopManager(whole).compute_rm_score(answers(AutoTokenizer.from_pretrained(model)))
    assert found.batch["rm_scores"].sum(-1).tolist() == [1.0, 0.0, 1.0]


def beyond_saying(problem: Problem, response: str) -> bool:
    raise ValueError(f"nobody knows {problem.payload['column']}")


def test_what_nobody_can_say_travels_below_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(HERE.parent))
    (row, *_) = rows(problems(), "question")
    given = {"verifier": "test_verl:beyond_saying", "extra_info": row["extra_info"]}
    assert compute_score("x", "any", "2", **given) == {"score": -1.0, "acc": 0.0, "unjudged": 1.0}
    assert compute_score("x", r"\boxed{2}", "2", {"opened": True})["score"] == 0.0


# --- loss


@pytest.mark.parametrize("averaging", ["sequence", "token", "constant"])
@pytest.mark.parametrize("dual", [None, 3.0])
def test_verls_loss_is_ours(averaging: str, dual: float | None) -> None:
    from verl.trainer.ppo.core_algos import get_policy_loss_fn
    from verl.utils.config import omega_conf_to_dataclass

    config = recipe(
        f"learner.averaging={averaging}", "sampling.max_new_tokens=9", *([f"learner.dual_clip={dual}"] if dual else [])
    )
    found = settings(config, HERE, HERE)
    words = [hydra_word(key, value) for key, value in found.items()]
    actor = omega_conf_to_dataclass(
        composed(*words, "actor_rollout_ref.actor.ppo_mini_batch_size=16").actor_rollout_ref.actor
    )
    torch.manual_seed(0)
    mask = torch.tensor([[1.0] * n + [0.0] * (9 - n) for n in (9, 4, 1, 6)])
    old, new = -torch.rand(4, 9), (-torch.rand(4, 9) * 3).requires_grad_()
    values = torch.tensor([1.0, -0.5, 0.3, -2.0])[:, None].expand(4, 9)
    theirs, _ = get_policy_loss_fn("vanilla")(
        old, new, values, mask, found["actor_rollout_ref.actor.loss_agg_mode"], actor
    )
    weights = {"sequence": mask / mask.sum(-1, keepdim=True) / 4, "token": mask / mask.sum(), "constant": mask / 9 / 4}
    on = mask.bool()
    ours = policy_loss(
        LossInputs(new[on], old[on], values[on], weights[averaging][on], clip=0.2, dual_clip=dual)
    ).loss  # fmt: skip
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    gradients = [torch.autograd.grad(loss, new, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-6)


# --- what verl's own code writes, as a run folder


WRITER = """
import os, sys, torch, torch.distributed as dist
from omegaconf import OmegaConf
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, AutoTokenizer
from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager
from verl.utils.tracking import Tracking
import numpy as np
model, out = sys.argv[1:]
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", VERL_FILE_LOGGER_PATH=os.path.join(out, "log-000.jsonl"))
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
policy, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
fully_shard(policy, mesh=init_device_mesh("cpu", (1,)))
saved = ["model", "optimizer", "extra", "hf_model"]
contents = OmegaConf.create({"save_contents": saved, "load_contents": ["model"], "async_save": False})
optimizer = torch.optim.AdamW(policy.parameters())
manager = FSDPCheckpointManager(policy, optimizer, processing_class=tokenizer, checkpoint_config=contents)
tracking = Tracking("p", "e", ["console", "file"])
for step in (1, 2):
    tracking.log({"critic/score/mean": np.float32(0.5), "critic/score/min": 0.0, "response_length/mean": 7.0,
                  "response_length/max": 9.0, "response_length/clip_ratio": 0.1, "actor/lr": 5e-6,
                  "actor/entropy": float("nan"), "timing_s/step": 3.0}, step=step)
    manager.save_checkpoint(os.path.join(out, "checkpoints", f"global_step_{step}", "actor"), None, step)
tracking.finish(exit_code=0)
dist.destroy_process_group()
"""


def test_what_verls_own_code_wrote_becomes_a_run_folder(tmp_path: Path, model: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(model), str(tmp_path)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    config = recipe(f"model={model}", "run.steps=2", "sampling.max_new_tokens=16")
    summary = import_run(
        tmp_path / "run", config, problems(), [tmp_path / "log-000.jsonl"], tmp_path / "checkpoints", "0.9.1"
    )
    assert (summary.steps, summary.finished) == (2, True)
    read = read_run(tmp_path / "run")
    told = [(s.step, s.accuracy, s.length, s.entropy, s.truncated) for s in read.journal]
    assert told == [(1, 0.5, 7.0, None, 0.0), (2, 0.5, 7.0, None, 0.0)]
    kept = tmp_path / "run/checkpoints/step-000002"
    assert (kept / "model.safetensors").is_file()
    assert json.loads((kept / "tersely.json").read_text())["objective"]["alpha"] == ALPHA
    assert not list(kept.glob("*.pt"))
