"""docs/first-model.md: its commands run as they stand there, on the base that ships, with smaller numbers."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import forked
from tersely.cli import build_parser
from tersely.config import TrainConfig, assemble
from tersely.plan.run import Plan, PlanInputs, make_plan
from tersely.tasks.load import Split, load_task
from tersely.tasks.prompts import INSTRUCTION
from tersely.tasks.sources.arithmetic import arithmetic_exercises
from tersely.toy.shipped import SHIPPED_BASE

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/first-model.md").read_text(encoding="utf-8")
QUESTION = "(1) +4 (2) +5 ?"
SMALLER = {
    "8192": "320",
    "step-000100": "step-000002",
    "steps = 100": "steps = 2\nthreads = 1",
    "[sampling]": "[sampling]\nprompts = 4\nn = 4",
    "--size 64 --k 8": "--size 8 --k 2",
    "How many primes are there below 20?": QUESTION,
}
SHAPES = {
    "1.5B": {"hidden_size": 1536, "intermediate_size": 8960, "num_attention_heads": 12, "num_key_value_heads": 2,
             "vocab_size": 151936},
    "7B": {"hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28, "num_key_value_heads": 4,
           "vocab_size": 152064},
}  # fmt: skip
TASKS: dict[Split, int] = {"train": 64, "held_out": 8}
SIZES = (24, 48, 80, 141)
"""GB of the GPUs that the guide tells of."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def commands(texts: list[str]) -> list[list[str]]:
    return [shlex.split(line) for text in texts for line in text.splitlines()]


# --- what it prints ----------------------------------------------------------------------------------------------


def test_every_command_of_ours_parses_and_the_recipe_is_one(tmp_path: Path) -> None:
    ours = [words[1:] for words in commands(blocks("bash")) if words[0] == "tersely"]
    assert [build_parser().parse_args(words).verb for words in ours] == [
        "waste", "profile", "plan", "train", "train", "show", "evaluate", "report",
    ]  # fmt: skip
    config = recipe(tmp_path)
    assert (config.objective.alpha, config.sampling.max_new_tokens, config.learner.lora is not None) == (
        0.1,
        8192,
        True,
    )


def test_its_lines_of_data_are_a_task(tmp_path: Path) -> None:
    task = tmp_path / "train.jsonl"
    task.write_text(blocks("json")[0])
    assert [problem.answer for problem in load_task(str(task), "train")] == ["80", "8"]


def test_it_serves_the_instruction_that_models_are_trained_with() -> None:
    words = shlex.split(blocks("sh")[1])
    request = json.loads(words[words.index("-d") + 1])
    assert request["messages"][0]["content"].startswith(f"{INSTRUCTION} Question: ")


def recipe(folder: Path) -> TrainConfig:
    path = folder / "first.toml"
    path.write_text(blocks("toml")[0])
    return assemble(str(path), {})


# --- what it costs -----------------------------------------------------------------------------------------------


def plan(folder: Path, shape: str, name: str, gpu_memory: float) -> Plan:
    """As `tersely plan` would: of a lone config.json."""
    place = folder / shape
    place.mkdir(exist_ok=True)
    fixed = {"model_type": "qwen2", "num_hidden_layers": 28, "max_position_embeddings": 131072}
    (place / "config.json").write_text(json.dumps({**fixed, **SHAPES[shape], "tie_word_embeddings": False}))
    if name == "first.toml":
        (folder / name).write_text(blocks("toml")[0])
        config = assemble(str(folder / name), {"model": str(place), "task": "arithmetic"})
        return make_plan(config, PlanInputs(gpu_memory=gpu_memory, mean_length=2000))
    config = assemble(name, {"model": str(place), "task": "arithmetic"})
    if name == "paper-7b":  # on one GPU, as its refusal says
        config = config.model_copy(update={"learner": config.learner.model_copy(update={"optimizer": "adam8bit"})})
    return make_plan(config, PlanInputs(gpu_memory=gpu_memory))


def cost_row(folder: Path, shape: str, name: str) -> str:
    plans = {size: plan(folder, shape, name, size) for size in SIZES}
    made = plans[SIZES[-1]]
    need = made.memory.peak / 1e9
    holding = [f"{size} GB" for size, p in plans.items() if not p.refusals]
    hours = [f"{made.gpu_hours(seconds):.1f}" for seconds in made.seconds.values()]
    lengths = "mean of 2,000 tokens" if name == "first.toml" else f"recipe's lengths, mean {made.mean_length:,.0f}"
    told = f"`{name}` with `learner.optimizer=adam8bit`" if name == "paper-7b" else f"`{name}`"
    return f"| {shape}, {told}, {lengths} | {need:.0f} GB | {', '.join(holding)} | {' | '.join(hours)} |"


@pytest.mark.slow
def test_its_table_of_costs_is_what_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.tasks.sources.arithmetic.arithmetic_exercises", cache(arithmetic_exercises))
    rows = [("1.5B", "first.toml"), ("7B", "first.toml"), ("1.5B", "paper-1.5b"), ("7B", "paper-7b")]
    wanted = [cost_row(tmp_path, *row) for row in rows]
    assert [line for line in GUIDE.splitlines() if re.match(r"\| [\d.]+B, ", line)] == wanted


# --- what it does ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_command_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    for words in commands([smaller(block) for block in blocks("bash")]):
        if words[0] == "tersely":
            done = forked.run(*words[1:], HF_HUB_OFFLINE="1")
        else:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "report/index.html").is_file()
    served = tmp_path / "served"
    assert [path.name for path in served.glob("*.safetensors")] == ["model.safetensors"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(served), AutoTokenizer.from_pretrained(served)
    before = AutoModelForCausalLM.from_pretrained(tmp_path / "FOLDER")
    assert tokenizer.chat_template
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


@pytest.mark.slow
def test_the_command_that_uploads_is_one() -> None:
    hf = Path(sys.executable).with_name("hf")
    (upload,) = [words for words in commands(blocks("sh")[:1]) if words[0] == "hf"]
    said = subprocess.run([hf, *upload[1:2], "--help"], capture_output=True, text=True, check=True).stdout
    assert "REPO_ID [LOCAL_PATH]" in said
    assert len(upload) == 4


def smaller(text: str) -> str:
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    return text


def world(folder: Path) -> None:
    """What the guide takes for granted."""
    shutil.copytree(SHIPPED_BASE, folder / "FOLDER")
    for split, count in TASKS.items():
        problems = load_task("arithmetic", split, count)
        rows = [{"problem": p.question, "answer": p.answer, "kind": p.kind} for p in problems]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = {"problem": "What is 1+1?", "answer": "2", "response": "It is 2. Wait, 1+1 is 2. \\boxed{2}"}
    (folder / "log.jsonl").write_text(json.dumps(line) + "\n")
    # The embedded reasoner reads problems alone, and a CPU does not decode 256 long responses in a test.
    (folder / "first.toml").write_text(f'template = "question"\n{smaller(blocks("toml")[0])}')
