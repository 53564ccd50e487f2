"""Memory that runs out: one sentence with the phase and a setting, and the run goes on with that setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tersely.config import TrainConfig, merge, resolve, set_key
from tersely.errors import RunError
from tersely.learn.learner import Learner
from tersely.learn.loop import train
from tersely.learn.memory import cure, explain_training_memory
from tersely.models.memory import explain_out_of_memory
from tersely.runs.folder import read_log
from tersely.samplers.memory import fewer_rows, row_cure
from tersely.samplers.transformers import TransformersSampler
from tiny_models import make_model_folder, make_task
from training import QUIET, settings, train_for_odd_texts

GPU = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 139.80 GiB of which 1 is free."
CPU = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 b"


def config(**over: Any) -> TrainConfig:
    return resolve(merge({"model": "m", "task": "t"}, over))


def changed(before: TrainConfig, sentence: str) -> TrainConfig:
    values = before.model_dump()
    for assignment in re.findall(r"--set (\S+?=[\w.]+)", sentence):
        set_key(values, assignment)
    return resolve(values)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def failing_from(call: int, real: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """``real``, which raises from its ``call``-th call on."""
    calls = 0

    def stub(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise error
        return real(*args, **kwargs)

    return stub


@pytest.mark.parametrize(
    ("phase", "place", "error", "setting"),
    [
        ("sampling", (TransformersSampler, "generate"), torch.OutOfMemoryError(GPU), "sampling.max_rows=8"),
        pytest.param(
            "updating", (Learner, "update"), RuntimeError(CPU), "learner.token_budget=16384", marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_says_what_to_change_and_goes_on_with_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, place: Any, error: Exception, setting: str
) -> None:
    begun = settings(root)
    with monkeypatch.context() as stubbed:
        stubbed.setattr(*place, failing_from(3, getattr(*place), error))
        with pytest.raises(RunError) as raised:
            train_for_odd_texts(begun, tmp_path / "run")
    said = str(raised.value)
    assert f"memory ran out while {phase}" in said
    assert setting in said
    assert "\n" not in said
    assert len(read_log(tmp_path / "run/journal.jsonl")) == 2
    assert train_for_odd_texts(changed(begun, said), tmp_path / "run").steps == 4


def test_a_probe_says_what_to_change_too(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = failing_from(1, TransformersSampler.generate, torch.OutOfMemoryError(GPU))
    monkeypatch.setattr(TransformersSampler, "generate", generate)
    with pytest.raises(RunError, match="memory ran out while sampling"):
        train(settings(root, run={"probe": 4}), tmp_path / "run", QUIET)


def test_lack_of_memory_while_loading_is_not_taken_for_a_bad_model(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError(GPU)

    monkeypatch.setattr("tersely.models.load.AutoModelForCausalLM.from_pretrained", load)
    with pytest.raises(RunError, match=r"while loading \(2.50 GiB more were asked for\): the weights alone"):
        train(settings(root), tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), explain_training_memory("updating", config()):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize("phase", ["sampling", "updating"])
@pytest.mark.parametrize("engine", ["transformers", "vllm"])
@pytest.mark.parametrize("processes", [1, 4])
def test_following_the_cures_leads_to_their_end(phase: Any, engine: str, processes: int) -> None:
    """Every cure changes the configuration, and after finitely many only a new run is left."""
    now, seen = config(sampling={"engine": engine}, learner={"token_budget": 200_000}), []
    while "start anew" not in (message := cure(phase, now, processes)):
        assert changed(now, message) != now
        now = changed(now, message)
        seen.append(message)
        assert len(seen) < 20
    assert now.learner.gradient_checkpointing == (phase == "updating")
    assert now.learner.sharding == ("zero3" if phase == "updating" and processes > 1 else "zero2")
    if phase == "sampling":
        assert now.sampling.max_rows == now.sampling.n
    # Where it would be refused it is not proposed.
    assert ("learner.optimizer=adam8bit" in message) == (processes == 1)


def sampling_only(error: Exception, max_rows: int, n: int = 1) -> None:
    with explain_out_of_memory("sampling", row_cure("--max-rows ", max_rows, n)):
        raise error


def test_sampling_alone_names_the_rows_to_take() -> None:
    with pytest.raises(RunError, match=r"\(2.00 GiB more were asked for\): use --max-rows 128 \(now 256\)"):
        sampling_only(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), 256)
    with pytest.raises(RunError, match="smaller model"):
        sampling_only(MemoryError(), 1)
    with pytest.raises(RuntimeError, match="shapes"):
        sampling_only(RuntimeError("shapes differ"), 8)


def test_fewer_rows_than_a_group_are_never_proposed() -> None:
    """They would change nothing: a group is decoded whole."""
    assert [fewer_rows(rows, 8) for rows in (64, 24, 9, 8, 4)] == [32, 8, 8, None, None]
    with pytest.raises(RunError, match="smaller model"):
        sampling_only(MemoryError(), 8, n=8)
