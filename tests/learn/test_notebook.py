"""Training from Python, as in a notebook: in any thread, interrupted, and with callbacks that fail."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tersely
from graders import ParityJudge
from tersely.records import Finish, Problem, Status, Verdict
from tersely.runs.logs import read_log
from tersely.samplers.transformers import TransformersSampler
from tersely.stop import Stopped
from tersely.verify.extract import CUT
from tersely.verify.kinds.math import RESTATED
from tiny_models import make_model_folder, make_task
from training import QUIET

SMALL = {
    "template": "question", "seed": 3, "run.steps": 4, "run.checkpoint_every": 2, "run.threads": 1,
    "run.all_wrong_stop": 0,
    "sampling.prompts": 2, "sampling.n": 2, "sampling.max_new_tokens": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def train(root: Path, out: Path, *callbacks: Callable[[tersely.StepRecord], object], **more: Any) -> tersely.RunResult:
    return tersely.train(
        model=root / "model", task=root / "task.jsonl", alpha=0.2, out=out, settings=SMALL, judge=ParityJudge(),
        callbacks=callbacks, display=QUIET, **more,
    )  # fmt: skip


def weights(result: tersely.RunResult) -> bytes:
    assert result.checkpoint is not None
    return (result.checkpoint / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tersely.RunResult:
    """What nobody interrupts."""
    return train(root, tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.slow
def test_another_thread_trains_the_same_and_no_signal_handler_is_touched(
    root: Path, whole: tersely.RunResult, tmp_path: Path
) -> None:
    handlers: list[Any] = []
    results: list[tersely.RunResult] = []

    def look(record: tersely.StepRecord) -> None:
        handlers.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    before = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    thread = threading.Thread(target=lambda: results.append(train(root, tmp_path / "thread", look)))
    thread.start()
    thread.join()
    assert handlers == [before] * 4
    assert [result.finished for result in results] == [True]
    assert weights(results[0]) == weights(whole)


@pytest.mark.slow
def test_an_interrupt_finishes_the_step_saves_and_the_same_call_goes_on(
    root: Path, whole: tersely.RunResult, tmp_path: Path
) -> None:
    def interrupt(record: tersely.StepRecord) -> None:
        if record.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped, match="step 1 of 4 is saved"):
        train(root, tmp_path / "run", interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    stopped = tersely.load_run(tmp_path / "run")
    assert (stopped.finished, len(stopped.steps)) == (False, 1)
    assert weights(train(root, tmp_path / "run")) == weights(whole)


@pytest.mark.parametrize(
    "error", [ValueError("no space on my dashboard"), pytest.param(KeyboardInterrupt(), marks=pytest.mark.slow)]
)
def test_what_a_callback_raises_passes_and_the_last_checkpoint_stands(
    root: Path, whole: tersely.RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    closed: list[TransformersSampler] = []
    monkeypatch.setattr(TransformersSampler, "close", lambda self: closed.append(self))

    def fail(record: tersely.StepRecord) -> None:
        if record.step == 3:
            raise error

    with pytest.raises(type(error)):
        train(root, tmp_path / "run", fail)
    assert len(closed) == 1
    left = tersely.load_run(tmp_path / "run")
    assert left.checkpoint is not None
    assert left.checkpoint.name == "step-000002"
    assert weights(train(root, tmp_path / "run")) == weights(whole)
    assert whole.checkpoint is not None
    assert read_log(tmp_path / "run/journal.jsonl") == read_log(whole.checkpoint.parents[1] / "journal.jsonl")


@pytest.mark.slow
def test_a_sampler_of_the_caller_is_not_closed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    closed: list[TransformersSampler] = []
    monkeypatch.setattr(TransformersSampler, "close", lambda self: closed.append(self))
    model = AutoModelForCausalLM.from_pretrained(root / "model")
    sampler = TransformersSampler(model, AutoTokenizer.from_pretrained(root / "model"))
    assert train(root, tmp_path / "run", sampler=sampler).finished
    assert closed == []


class RestatingJudge(ParityJudge):
    """Every other response only restates the question; the first of each step was cut."""

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        reasons = [f"refused: {RESTATED}" if i % 2 else "different values" for i in range(len(pairs))]
        reasons[0] += f"; {CUT}"
        return [Verdict(Status.WRONG, text, reason) for (_, text), reason in zip(pairs, reasons, strict=True)]


def test_what_is_restated_or_cut_is_counted_in_the_journal_and_old_journals_stay_readable(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = TransformersSampler._rollout
    ended = lambda *args: replace(decode(*args), finish=Finish.EOS)  # noqa: E731
    monkeypatch.setattr(TransformersSampler, "_rollout", ended)
    result = tersely.train(
        model=root / "model", task=root / "task.jsonl", alpha=0.2, out=tmp_path / "run", display=QUIET,
        settings={**SMALL, "run.steps": 1}, judge=RestatingJudge(),
    )  # fmt: skip
    (line,) = read_log(tmp_path / "run" / "journal.jsonl")
    (step,) = result.steps
    assert (line["restated"], line["cut"]) == (step.restated, step.cut) == (2 / 4, 1 / 4)
    older = {name: value for name, value in line.items() if name not in ("restated", "cut")}
    assert tersely.StepRecord.from_json(older) == replace(step, restated=None, cut=None)
