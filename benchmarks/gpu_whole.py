"""The part "whole" of benchmarks/gpu.py: a small random model is trained, stopped, trained on and evaluated.

By the commands themselves, each in a process of its own, with the engine that they take by default.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_setup import Setting

from tersely.evaluation.records import read_evaluation
from tersely.records import Problem
from tersely.runs.folder import read_done, read_log
from tersely.runs.manifest import step_folders
from tersely.toy.tokenizer import build_tokenizer

STEPS, EVERY = 12, 3
"""Of the run, and between two of its checkpoints; it is stopped once the first is there."""
PROBLEMS, K = 16, 4
"""Of the evaluation."""
# The plain prompt opens no thought: a random model would hardly ever close one.
SETTINGS = {
    "template": "plain", "verifier": "gpu_whole:odd", "sampling.prompts": 8, "sampling.n": 4,
    "learner.learning_rate": 1e-3, "run.steps": STEPS, "run.checkpoint_every": EVERY,
}  # fmt: skip


def odd(problem: Problem, text: str) -> bool:
    """A random model never answers: about half of its texts count as right, so that it learns something."""
    return sum(text.encode()) % 2 == 1


def whole(setting: Setting, budget: float) -> dict[str, Any]:
    """Seconds of each command (its start included), and what they left; AssertionError where it is not whole."""
    place, end = Path(tempfile.mkdtemp()), time.monotonic() + budget
    model = replace(setting, device=torch.device("cpu")).make_model()
    model.save_pretrained(place / "model")
    build_tokenizer().save_pretrained(place / "model")
    settings = {**SETTINGS, "sampling.max_new_tokens": setting.cap}
    asked = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    train = ["train", "--model", "model", "--task", "arithmetic", *asked, "--out", "run"]
    stopped_s = _stopped(train, place, end)
    before = read_log(place / "run/journal.jsonl")
    resumed_s = _run(train, place, end)
    measure = ["--task", "arithmetic", "--size", str(PROBLEMS), "--k", str(K), "--verifier", SETTINGS["verifier"]]
    evaluated_s = _run(["evaluate", "run", *measure], place, end)
    return {
        "seconds": stopped_s + resumed_s + evaluated_s,
        "parts_s": {"train": stopped_s, "resume": resumed_s, "evaluate": evaluated_s},
        **_looked_at(place / "run", before),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _looked_at(run: Path, before: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a run that was stopped after ``before`` of its journal."""
    journal = read_log(run / "journal.jsonl")
    assert [line["step"] for line in journal] == list(range(1, STEPS + 1)), "a step is missing, or there twice"
    assert journal[: len(before)] == before, "steps before the stop were made again"
    assert read_done(run) is not None, "the run is not finished"
    newest = step_folders(run)[0][0]
    evaluation = read_evaluation(run / "evaluation/arithmetic")
    responses = evaluation.responses()
    assert newest == STEPS, f"the last checkpoint is that of step {newest}"
    assert len(responses) == PROBLEMS * K, f"{len(responses)} responses"
    gaps = [line["logprob_gap_mean"] for line in journal if line["logprob_gap_mean"] is not None]
    return {
        "stopped_after": len(before),
        "steps": len(journal),
        "updates": len(gaps),
        "gap_nats": max(gaps),
        "responses": len(responses),
        "sampler": evaluation.engine,
    }


def _stopped(words: Sequence[str], place: Path, end: float) -> float:
    """Seconds of a training that is asked to stop once its first checkpoint is there."""
    start = time.monotonic()
    with (place / "stopped.log").open("w") as said, _command(words, place, said) as process:
        try:
            while not step_folders(place / "run") and process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            code = process.wait(max(1.0, end - time.monotonic()))
        finally:
            process.kill()
    _require(code, 128 + signal.SIGTERM, place / "stopped.log")
    return time.monotonic() - start


def _run(words: Sequence[str], place: Path, end: float) -> float:
    """Seconds of a command that runs to its end."""
    start, log = time.monotonic(), place / f"{words[0]}.log"
    with log.open("w") as said, _command(words, place, said) as process:
        try:
            code = process.wait(max(1.0, end - time.monotonic()))
        finally:
            process.kill()
    _require(code, 0, log)
    return time.monotonic() - start


def _command(words: Sequence[str], place: Path, said: Any) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "tersely", *words]
    return subprocess.Popen(command, cwd=place, stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": path})


def _require(code: int, wanted: int, log: Path) -> None:
    if code != wanted:
        raise RuntimeError(f"{log.name} ended with {code} and not {wanted}: {log.read_text()[-1500:]}")
