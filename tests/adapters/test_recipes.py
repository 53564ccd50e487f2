"""Recipes as the configuration of verl and OpenRLHF: what is written, what is refused, what is taken over."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

import tersely
from golden_sentences import golden_sentence
from tersely.adapters.openrlhf_recipe import UNLIKE as UNLIKE_OPENRLHF
from tersely.adapters.openrlhf_recipe import agent_file, arguments, shown
from tersely.adapters.verl_import import journal_line, read_logs
from tersely.adapters.verl_recipe import hydra_word, rows, settings, write_parquet
from tersely.adapters.verl_run import VerlRun
from tersely.cli import main
from tersely.config import TrainConfig, assemble
from tersely.errors import UserError
from tersely.evaluation.runs import read_run
from tersely.journal import StepRecord
from tersely.runs.folder import RunFolder
from tersely.runs.manifest import verify_checkpoint
from tersely.tasks import load_task
from tiny_models import make_model_folder

HERE = Path("work")


def config(*assignments: str, recipe: str = "paper-1.5b") -> TrainConfig:
    return assemble(recipe, {}, ["learner.kl_in=loss", *assignments])


def verl(*assignments: str) -> dict[str, Any]:
    return settings(config(*assignments), HERE / "train.parquet", HERE / "checkpoints")


def openrlhf(*assignments: str, problems: int = 3200) -> dict[str, Any]:
    return arguments(config(*assignments), problems, HERE / "train.jsonl", HERE / "agent.py", HERE)


def test_the_papers_recipe_as_verl_has_it() -> None:
    found = verl("objective.alpha=0.2")
    actor = "actor_rollout_ref.actor"
    wanted = {
        "data.train_batch_size": 32, "actor_rollout_ref.rollout.n": 8, "data.max_response_length": 32000,
        # In prompts, of which verl makes 8 rows each: two gradient steps of 128.
        f"{actor}.ppo_mini_batch_size": 16, f"{actor}.clip_ratio_c": 1e9,
        f"{actor}.loss_agg_mode": "seq-mean-token-mean",
        f"{actor}.use_kl_loss": True, f"{actor}.kl_loss_coef": 1e-3, f"{actor}.kl_loss_type": "low_var_kl",
        f"{actor}.optim.lr": 5e-6, f"{actor}.optim.lr_warmup_steps": 6, f"{actor}.optim.weight_decay": 0.0,
        "algorithm.adv_estimator": "tersely", "+algorithm.tersely": {"cap": 32000, "alpha": 0.2},
        "reward.custom_reward_function.path": "pkg://tersely.adapters.verl", "trainer.total_training_steps": 100,
    }  # fmt: skip
    assert {key: found.get(key) for key in wanted} == wanted


def test_the_papers_recipe_as_openrlhf_has_it() -> None:
    found = openrlhf("learner.kl_in=reward")
    wanted = {
        "--rollout.batch_size": 32, "--rollout.n_samples_per_prompt": 8, "--train.batch_size": 128,
        "--algo.advantage.estimator": "rloo", "--actor.loss_agg_mode": "seq-mean-token-mean",
        "--algo.kl.init_coef": 1e-3, "--algo.kl.estimator": "k1", "--data.max_samples": 3200, "--train.num_episodes": 1,
    }  # fmt: skip
    assert {key: found.get(key) for key in wanted} == wanted
    assert "--algo.dynamic_filtering_enable" not in found
    assert "--algo.kl.use_loss" not in found
    assert openrlhf()["--algo.kl.use_loss"] is True
    assert "--rollout.batch_size 32 \\\n" in shown(found)


def test_other_settings_find_their_place() -> None:
    asked = ("learner.clip_high=0.28", "learner.dual_clip=3.0", "learner.importance_cap=2.0", "learner.averaging=token",
             "learner.lora.rank=8", "objective.method=kimi", "objective.alpha=0.3", "verifier=mine:check")  # fmt: skip
    found, actor = verl(*asked), "actor_rollout_ref.actor"
    assert (found[f"{actor}.clip_ratio_high"], found[f"{actor}.clip_ratio_c"]) == (0.28, 3.0)
    assert found["algorithm.rollout_correction.rollout_is_threshold"] == 2.0
    assert found[f"{actor}.loss_agg_mode"] == "token-mean"
    assert found["actor_rollout_ref.model.lora_rank"] == 8
    assert found["+algorithm.tersely"] == {"cap": 32000, "method": "kimi", "alpha": 0.3}
    assert found["+reward.custom_reward_function.reward_kwargs.verifier"] == "mine:check"
    other = openrlhf(*asked)
    assert other["--actor.eps_clip_low_high"] == [0.2, 0.28]
    assert other["--actor.dual_clip"] == 3.0
    assert other["--algo.advantage.is_correction_threshold"] == [0.0, 2.0]


ASKED = {
    "verl": ["learner.kl_in=reward", "budgets=[100,400]", "template=paper-raw", "learner.optimizer=adam8bit",
             "learner.loss=mine:loss", "run.device=cpu", "objective.method=leash"],
    "openrlhf": ["learner.averaging=constant", "learner.old_logprobs=sampler", "run.report_to=trackio",
                 "objective.normalize=batch", "run.steps=130"],
}  # fmt: skip


@pytest.mark.parametrize(("engine", "asked"), [(engine, asked) for engine, all_ in ASKED.items() for asked in all_])
def test_what_an_engine_cannot_express_is_one_sentence(engine: str, asked: str) -> None:
    made = config(asked, recipe="paper-1.5b")
    written = {"verl": lambda: settings(made, HERE, HERE), "openrlhf": lambda: arguments(made, 3200, HERE, HERE, HERE)}
    with pytest.raises(UserError) as refused:
        written[engine]()
    assert str(refused.value) == golden_sentence(f"{engine} {asked}")


def test_every_refusal_names_a_setting_that_there_is() -> None:
    from tersely.adapters.recipe import OF_ANY_ENGINE
    from tersely.adapters.verl_recipe import UNLIKE
    from tersely.config import known_keys

    assert {rule.key for rule in (*OF_ANY_ENGINE, *UNLIKE, *UNLIKE_OPENRLHF)} <= set(known_keys())


def test_words_of_hydra() -> None:
    assert hydra_word("a", {"cap": 5, "method": "it's", "on": True, "none": None}) == (
        "a={cap:5,method:'it\\'s',on:true,none:null}"
    )
    assert hydra_word("b", [0.9, 1e9]) == "b=[0.9,1000000000.0]"


def test_the_parquet_holds_what_verl_reads(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    problems = load_task("arithmetic", "train", 3)
    write_parquet(tmp_path / "x/train.parquet", rows(problems, "question", opened=True))
    read = parquet.read_table(tmp_path / "x/train.parquet").to_pylist()
    assert [row["prompt"] for row in read] == [[{"role": "user", "content": p.question}] for p in problems]
    assert [row["reward_model"]["ground_truth"] for row in read] == [p.answer for p in problems]
    assert json.loads(read[0]["extra_info"]["problem"])["id"] == problems[0].id
    assert read[0]["extra_info"]["opened"] is True


def test_the_agents_file_says_the_objective(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tersely.adapters.openrlhf as adapter

    asked: dict[str, Any] = {}
    monkeypatch.setattr(adapter, "agent_executor", lambda **given: asked.update(given) or object)
    (tmp_path / "agent.py").write_text(agent_file(config("objective.method=kimi", "objective.alpha=0.3"), True))
    assert runpy.run_path(str(tmp_path / "agent.py"))["AgentExecutor"] is object
    assert asked == {"method": "kimi", "alpha": 0.3, "opened": True}


# --- the command


def recipe(folder: Path) -> list[str]:
    model = make_model_folder(folder / "model")
    task = folder / "task.jsonl"
    task.write_text("".join(json.dumps({"problem": f"What is {i}+1?", "answer": str(i + 1)}) + "\n" for i in range(8)))
    sets = ["sampling.prompts=4", "sampling.n=2", "sampling.max_new_tokens=16", "learner.kl_in=loss",
            "run.checkpoint_every=1", "run.steps=2"]  # fmt: skip
    words = ["train", "--model", str(model), "--task", str(task), "--alpha", "0.2", "--out", str(folder / "run")]
    return [*words, *(word for one in sets for word in ("--set", one))]


def test_a_recipe_is_shown_as_verls_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    assert main([*recipe(tmp_path), "--trainer", "verl", "--print", "--override", "trainer.n_gpus_per_node=4"]) == 0
    said = capsys.readouterr().out
    assert "-m verl.trainer.main_ppo \\\n" in said
    assert "VERL_USE_EXTERNAL_MODULES=tersely.adapters.verl_plugin" in said
    assert "'+algorithm.tersely={cap:16,alpha:0.2}'" in said
    assert said.rstrip().endswith("trainer.n_gpus_per_node=4")
    assert (tmp_path / "run.verl/train.parquet").is_file()
    assert not (tmp_path / "run").exists()


def test_a_recipe_is_shown_as_openrlhfs_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*recipe(tmp_path), "--trainer", "openrlhf", "--print"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("python -m openrlhf.cli.train_ppo_ray \\\n")
    assert f"--train.agent_func_path {tmp_path}/run.openrlhf/agent.py" in said
    line = json.loads((tmp_path / "run.openrlhf/train.jsonl").read_text().splitlines()[0])
    assert json.loads(line["label"])["answer"] == "1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--trainer", "openrlhf"],
            "openrlhf is started by its own command, and its runs are not taken over: give --print",
        ),
        (["--print"], "--print, --import and --override are about an engine of others: name it with --trainer verl"),
        (
            ["--trainer", "verl", "--import"],
            "holds no log of verl (log-000.jsonl): train with verl first, or give its --out",
        ),
    ],
)
def test_mistakes_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main([*recipe(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


# --- what verl left, as a run folder. tests/adapters/test_verl.py has the same with files that verl's own code wrote.


def leave(work: Path, model: Path, steps: list[int], launch: int = 0) -> None:
    """As verl leaves its files."""
    import shutil

    work.mkdir(exist_ok=True)
    for step in steps:
        shutil.copytree(model, work / f"checkpoints/global_step_{step}/actor/huggingface", dirs_exist_ok=True)
    lines = [{"step": step, "data": data(step)} for step in steps]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (work / f"log-{launch:03d}.jsonl").write_text(text + '{"step": 9, "da')


def data(step: int, **changed: float) -> dict[str, float]:
    return {
        "critic/score/mean": 0.5, "critic/score/min": 0.0, "response_length/mean": 10.0 - step, "actor/lr": 5e-6,
        "response_length/max": 16.0, "response_length/clip_ratio": 0.25, "actor/entropy": 0.3, "timing_s/step": 2.0,
    } | changed  # fmt: skip


def test_what_verl_left_is_a_run_folder_that_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*recipe(tmp_path), "--trainer", "verl", "--import"]
    leave(tmp_path / "run.verl", tmp_path / "model", [1])
    assert main(words) == 0
    assert "1 of 2 steps, trained by verl" in capsys.readouterr().out
    run = tersely.load_run(tmp_path / "run")
    assert not run.finished
    leave(tmp_path / "run.verl", tmp_path / "model", [2], launch=1)
    assert main(words) == 0
    assert main(words) == 0
    read = read_run(tmp_path / "run")
    assert [(step.step, step.length, step.accuracy, step.truncated) for step in read.journal] == [
        (1, 9.0, 0.5, 0.25), (2, 8.0, 0.5, 0.25)
    ]  # fmt: skip
    assert [line["step_s"] for line in read.clock] == [2.0, 2.0]
    assert read.alpha == 0.2
    kept = tersely.load_run(tmp_path / "run")
    assert kept.finished
    assert verify_checkpoint(kept.checkpoint) == []
    assert read.config["trainer"].startswith("verl ")
    assert len(json.loads((tmp_path / "run/trained_on.json").read_text())["problem_ids"]) == 8


def test_our_own_training_does_not_go_on_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = recipe(tmp_path)
    leave(tmp_path / "run.verl", tmp_path / "model", [1])
    assert main([*words, "--trainer", "verl", "--import"]) == 0
    with pytest.raises(UserError, match="trainer was"):
        RunFolder.look(tmp_path / "run", "train", {})


def test_a_journal_of_verl_says_what_it_knows() -> None:
    line = journal_line(3, data(3), config("sampling.max_new_tokens=16"))
    assert StepRecord.from_json(line).kl is None
    assert (line["accuracy"], line["unjudged"], line["truncated"]) == (0.5, 0.0, 0.25)
    unsure = journal_line(3, data(3, **{"critic/score/min": -1.0}), config("sampling.max_new_tokens=16"))
    assert (unsure["accuracy"], unsure["unjudged"]) == (None, None)
    # The widest response of this batch is below the cap: none was cut, however many are as wide.
    assert journal_line(3, data(3), config())["truncated"] == 0.0


def test_a_later_launch_takes_steps_again(tmp_path: Path) -> None:
    for launch, steps in enumerate(([1, 2, 3], [2])):
        lines = [json.dumps({"step": step, "data": {"launch": launch}}) for step in steps]
        (tmp_path / f"log-{launch}.jsonl").write_text("\n".join(lines) + "\n")
    found = read_logs(sorted(tmp_path.glob("*.jsonl")))
    assert {step: line["launch"] for step, line in found.items()} == {1: 0, 2: 1}


def test_a_log_that_is_none_of_verls_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "data": {}}\n{"steps": 2}\n')
    with pytest.raises(UserError, match=r"log\.jsonl:2 is no line of verl's file log"):
        read_logs([tmp_path / "log.jsonl"])


def test_verl_without_a_gpu_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.adapters.rows.version", lambda name: "0.9.1")
    with pytest.raises(UserError, match=r"verl trains on GPUs and there is none here: .* --print .* --import"):
        VerlRun(config(), tmp_path / "run").launch()
