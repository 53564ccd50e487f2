"""A run, an evaluation and samples go on only while the model is asked the same and ends at the same tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import SamplesConfig
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.run import evaluate
from tersely.models.prompt_identity import prompt_identity
from tersely.runs.folder import read_config, read_done, read_log
from tiny_models import make_model_folder, make_task, make_tokenizer
from training import settings, train_for_odd_texts

QUIET = PlainDisplay("test")
Make = Callable[[Path], Any]


def trained(root: Path) -> None:
    short = {"steps": 1, "checkpoint_every": 1, "probe": False}
    train_for_odd_texts(settings(root, run=short, sampling={"max_new_tokens": 24}), root / "out")


def evaluated(root: Path) -> None:
    protocol = EvalProtocol(str(root / "task.jsonl"), None, 1, max_new_tokens=24, template="question")
    evaluate(root / "model", protocol, root / "out", QUIET, command="", judge=ParityJudge())


def sampled(root: Path) -> None:
    sampling = {"n": 2, "max_new_tokens": 24}
    given = {"model": str(root / "model"), "task": str(root / "task.jsonl"), "template": "question"}
    draw_samples(SamplesConfig(**given, sampling=sampling), root / "out", QUIET, ParityJudge())


def edited_template(model: Path) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|user|>", "<|user|>Please: "))


def edited_comment(model: Path) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text() + "{# another hand was here #}")


def edited_ends(model: Path) -> None:
    path = model / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": 1}))


def edited_architecture(model: Path) -> None:
    """The same weights, turned by other angles."""
    path = model / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "rope_parameters": {**config["rope_parameters"], "rope_theta": 7.0}}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_model_folder(tmp_path / "model", "llama")
    make_task(tmp_path / "task.jsonl", 8)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("make", [trained, evaluated, sampled])
def test_what_was_begun_goes_on_only_under_the_same_prompts_and_ends(root: Path, make: Make) -> None:
    make(root)
    make(root)
    changes = {
        edited_ends: r"end_ids was \[1, 10, 11, 12, 13, 14, 15\], is now \[1\]",
        edited_comment: r"made with another configuration: chat_template_sha256 was \S+, is now \S+; ",
        edited_architecture: r"made with another configuration: architecture_sha256 was \S+, is now \S+; ",
        edited_template: "chat_template_sha256 was .*prompts_sha256 was ",
    }
    files = {path: path.read_bytes() for path in (root / "model").iterdir()}
    for change, message in changes.items():
        for path, content in files.items():
            path.write_bytes(content)
        change(root / "model")
        with pytest.raises(UserError, match=message) as refused:
            make(root)
        assert "\n" not in str(refused.value)


def test_a_run_folder_says_what_it_was_asked_with(root: Path) -> None:
    trained(root)
    found = read_config(root / "out")
    assert found["end_ids"] == [1, *range(10, 16)]
    assert len(found["prompts_sha256"]) == len(found["chat_template_sha256"]) == 64


def test_prompts_are_known_by_problem_and_ids_in_any_order(root: Path) -> None:
    tokenizer, model = make_tokenizer(), root / "model"
    first = prompt_identity(model, tokenizer, (2, 1), {"a": (1, 2), "b": (3,)})
    assert first == prompt_identity(model, tokenizer, (1, 2), {"b": (3,), "a": (1, 2)})
    for other in ({"a": (1,), "b": (2, 3)}, {"a": (3,), "b": (1, 2)}, {"a": (1, 2)}):
        assert prompt_identity(model, tokenizer, (1, 2), other)["prompts_sha256"] != first["prompts_sha256"]


def rewarded(run: Path) -> float:
    """Share of responses that a run, an evaluation or samples call right."""
    for name, key in (("journal", "accuracy"), ("responses", "correct")):
        if found := next(run.rglob(f"{name}.jsonl"), None):
            lines = read_log(found)
            return sum(float(line[key]) for line in lines) / len(lines)
    summary = read_done(run)
    assert summary is not None
    return float(summary["correct"] / summary["responses"])


@pytest.mark.slow
@pytest.mark.parametrize("make", [trained, evaluated, sampled])
def test_thinking_that_the_template_opens_and_nothing_ends_is_rewarded_nowhere(root: Path, make: Make) -> None:
    edited = (root / "model" / "chat_template.jinja").read_text()
    make(root)
    assert rewarded(root / "out") > 0
    shutil.rmtree(root / "out")
    (root / "model" / "chat_template.jinja").write_text(edited.replace("<|assistant|>", "<|assistant|><think>\n"))
    make(root)
    assert rewarded(root / "out") == 0
