"""The table of embedded reasoners: each speaks its task, starts from its own shape, and has a gate of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from transformers import AutoTokenizer

from tersely.cli import main
from tersely.display import make_display
from tersely.models.trained_for import read_trained_for
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.toy.base import make_base
from tersely.toy.gate import Attempt, Gate, GateNumbers
from tersely.toy.reasoners import REASONERS
from tersely.toy.settings import SftSettings
from tersely.toy.sft import SftState, passes_at, sft_loss, tiny_model
from tersely.toy.tokenizer import PAD
from tersely.toy.writing import EOS, FIRST, Phase

SEARCHERS = ("countdown", "ordering")


def short(task: str) -> SftSettings:
    steps = {"practice_steps": 4, "straight_steps": 4, "verbose_steps": 4, "pool_steps": 4, "warmup_steps": 2}
    return replace(REASONERS[task].settings, batch_tokens=1024, **steps)


def test_there_is_a_reasoner_for_every_embedded_task() -> None:
    assert list(REASONERS) == list(EMBEDDED_TASKS)
    assert {name: reasoner.settings.task for name, reasoner in REASONERS.items()} == {name: name for name in REASONERS}


@pytest.mark.parametrize("task", REASONERS)
def test_prompts_and_responses_of_every_phase_come_back_from_the_tokenizer(task: str, tmp_path: Path) -> None:
    reasoner = REASONERS[task]
    reasoner.tokenizer(levels=False).save_pretrained(tmp_path)
    tokenizer, ids = AutoTokenizer.from_pretrained(tmp_path), reasoner.vocabulary(levels=False)
    assert len(tokenizer) == len(ids) == len(set(ids.values()))
    rng = random.Random(1)
    for phase in Phase:
        for _ in range(20):
            prompt, response = reasoner.settings.style.draw(phase, rng)
            asked = [{"role": "user", "content": " ".join(prompt[1:-1])}]
            found = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
            assert found == [ids[word] for word in prompt]
            words = [word for word in response if word != EOS]  # a piece of a search has no end
            text = tokenizer.decode([ids[word] for word in response], skip_special_tokens=True)
            assert text == " " + " ".join(words)
            assert tokenizer.encode(text) == [ids[word] for word in words]


@pytest.mark.parametrize("task", REASONERS)
def test_demonstrations_show_no_problem_that_is_held_out(task: str) -> None:
    held = {p.question for split in ("held_out", "gate") for p in EMBEDDED_TASKS[task].generate(split, 120, 0)}
    rng = random.Random(2)
    rows = [REASONERS[task].settings.style.draw(phase, rng) for phase in Phase for _ in range(120)]
    assert not held & {" ".join(prompt[1:-1]) for prompt, _ in rows}
    assert all(prompt[0] == FIRST for prompt, _ in rows)


@pytest.mark.parametrize("task", SEARCHERS)
def test_models_of_searched_tasks_have_the_size_that_is_told(task: str) -> None:
    model = tiny_model(0, task=task)
    words = len(REASONERS[task].vocabulary(levels=False))
    assert model.config.model_type == "qwen2"
    assert model.num_parameters() == 592_000 + 128 * words
    assert 0.59e6 < model.num_parameters() < 0.62e6


@pytest.mark.slow
@pytest.mark.parametrize("task", SEARCHERS)
def test_a_base_is_made_as_an_ordinary_model_folder(task: str, tmp_path: Path) -> None:
    open_gate = Gate(problems=12, max_new_tokens=8, accuracy=0.0, hardest=0.0, checks=0.0, temperature=0.6)
    with make_display("base") as display:
        made = make_base(tmp_path / "base", 3, 1, display, settings=short(task), gate=open_gate)
    assert (made.steps, made.seed) == (12, 3)
    [attempt] = made.attempts
    assert set(attempt.numbers.habits) == set(REASONERS[task].behaviours(""))
    folder = tmp_path / "base" / "checkpoints" / "step-000012"
    assert read_trained_for(folder).max_new_tokens == 8
    assert f'"task":"{task}"' in (tmp_path / "base" / "config.json").read_text().replace(" ", "")
    assert main(["evaluate", str(tmp_path / "base"), "--task", task, "--size", "4", "--max-new-tokens", "6"]) == 0


def test_batches_of_a_task_are_in_its_own_words() -> None:
    for task in SEARCHERS:
        settings = short(task)
        passes = passes_at(settings, 0)
        assert len(passes) == settings.passes
        ids = REASONERS[task].vocabulary(levels=False)
        assert ids[PAD] == 0
        for inputs_BT, labels_BT in passes:
            assert int(inputs_BT.max()) < len(ids)
            assert set(inputs_BT[:, 0].tolist()) == {ids[FIRST]}
            assert bool(((labels_BT < 0) | (labels_BT == inputs_BT)).all())


def test_passes_hold_the_rows_of_one_pass_and_give_the_same_gradient() -> None:
    """A step of four passes is one over all of its rows: mean over response tokens, wherever they lie."""
    settings = short("countdown")
    rows = [row for batch in passes_at(settings, 0) for row in zip(*batch, strict=True)]
    model = tiny_model(0, task="countdown")
    losses = [sft_loss(model, ids[None], labels[None]) * int((labels >= 0).sum()) for ids, labels in rows]
    whole = sum(losses) / sum(int((labels >= 0).sum()) for _, labels in rows)
    state = SftState(settings)
    assert state.advance().loss == pytest.approx(float(whole.detach()), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("task", SEARCHERS)
def test_some_steps_lower_the_loss(task: str) -> None:
    torch.set_num_threads(1)
    state = SftState(replace(REASONERS[task].settings, pool_steps=4, batch_tokens=1024))
    losses = [state.advance().loss for _ in range(30)]
    assert losses[-1] < losses[0] - 0.7


def numbers(**changes: object) -> GateNumbers:
    usual = GateNumbers(0.7, MappingProxyType({"2": 0.8, "3": 0.6}), 150.0, 0.5, 0.01, MappingProxyType({"check": 0.3}))
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"accuracy": 0.39}, False),
        ({"accuracy": 0.86}, False),
        ({"tokens": 231.0}, False),
        ({"truncated": 0.031}, False),
        ({"habits": {"check": 0.3, "restart": 0.01}}, False),
    ],
)
def test_the_gate_of_a_searched_task_is_a_window(changes: Mapping[str, object], passes: bool) -> None:
    assert REASONERS["countdown"].gate.is_passed(numbers(**changes)) is passes


def test_attempts_of_earlier_releases_are_read() -> None:
    old = {"seed": 3, "passed": True, "accuracy": 0.8, "accuracy_by_level": {"1": 0.9}, "tokens": 90.0, "checks": 2.0}
    attempt = Attempt.from_json(old)
    assert attempt.numbers == GateNumbers(0.8, {"1": 0.9}, 90.0, 2.0)
    assert Attempt.from_json(dict(attempt.to_json())) == attempt


def test_what_an_arithmetic_base_is_known_by_is_as_it_was() -> None:
    """config.json of folders from before there were other tasks: they go on."""
    assert set(SftSettings().to_json()) == {
        "seed", "practice_steps", "straight_steps", "verbose_steps", "batch_tokens", "pool_steps", "learning_rate",
        "warmup_steps", "betas", "weight_decay", "clip", "style",
    }  # fmt: skip
    assert Gate().to_json() == {
        "problems": 300, "seed": 0, "max_new_tokens": 320, "accuracy": 0.7, "hardest": 0.4, "checks": 1.0,
        "attempts": 4,
    }  # fmt: skip


def test_an_unknown_task_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base", "--task", "countdwon", "--out", str(tmp_path / "base")]) == 2
    assert "unknown embedded task 'countdwon' (did you mean 'countdown'?)" in capsys.readouterr().err
    assert not (tmp_path / "base").exists()
