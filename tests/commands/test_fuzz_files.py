"""Every JSON file that tersely reads, in every state that a disk or a stranger can leave it in: one sentence, no
traceback, no waiting, and an exit code that says whose matter it is."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fake_runs import make_family
from pages import blank_figures
from tersely.cli import main
from tiny_models import make_model_folder, make_task

CODES = {0, 2, 3, 4}
SECONDS = 60
"""A case that takes longer waits for something that never comes."""

MODEL = ["model", "--task", "task.jsonl", "--max-new-tokens", "4", "--size", "2"]
TRAIN = [
    *("--model", "model", "--task", "task.jsonl", "--out", "run", "--steps", "1", "--template", "question"),
    *("--set", "sampling.max_new_tokens=64", "--set", "sampling.prompts=2", "--set", "sampling.n=2"),
    *("--set", "run.threads=1"),
]
SAMPLES = [
    *("--model", "model", "--task", "task.jsonl", "--n", "2", "--out", "samples"),
    *("--set", "sampling.max_new_tokens=64"),
]
FIRST = hashlib.sha256(b"0 + 0 times 1 = ?").hexdigest()[:16]
"""The first problem of ``make_family``."""
VERBS: dict[str, list[str]] = {
    "train": ["train", *TRAIN],
    "train more": ["train", *TRAIN, "--set", "run.steps=2"],
    "evaluate run": ["evaluate", "run", "--task", "held.jsonl", "--max-new-tokens", "4", "--size", "2"],
    "evaluate": ["evaluate", *MODEL, "--out", "evaluated"],
    "profile": ["profile", *MODEL, "--k", "2", "--out", "profile"],
    "plan": ["plan", "--model", "model", "--task", "task.jsonl", "--set", "sampling.max_new_tokens=64"],
    "plan run": ["plan", "--run", "run"],
    "plan profile": [
        *("plan", "--model", "model", "--task", "task.jsonl", "--profile", "profile/model/task/profile.json"),
        *("--set", "sampling.max_new_tokens=64"),
    ],
    "samples": ["baseline", "samples", *SAMPLES],
    "sft": ["baseline", "sft", "--samples", "samples", "--out", "sft", "--set", "run.threads=1"],
    "ask": ["show", "model", "--ask", "1+1?", "--max-new-tokens", "4"],
    "show": ["show", "family/RUN", "--problem", FIRST],
    "report": ["report", "family/RUN", "--out", "page"],
    "compare": ["compare", "family/RUN", "--out", "page"],
    "behaviours": ["behaviours", "family/RUN"],
}
RUN = "family/alpha-0.1-seed-0"
READ = {
    "model/config.json": ["evaluate", "plan", "train"],
    "model/tokenizer.json": ["evaluate", "plan"],
    "model/tokenizer_config.json": ["evaluate", "plan"],
    "model/generation_config.json": ["evaluate", "plan", "train"],
    "model/tersely.json": ["evaluate", "ask"],
    "model/chat_template.jinja": ["evaluate", "plan"],
    "model/special_tokens_map.json": ["evaluate"],
    "model/added_tokens.json": ["evaluate"],
    "model/model.safetensors.index.json": ["evaluate", "plan"],
    "model/adapter_config.json": ["evaluate", "plan"],
    "model/preprocessor_config.json": ["evaluate"],
    "run/config.json": ["train", "evaluate run", "plan run"],
    "run/journal.jsonl": ["train", "plan run", "train more"],
    "run/clock.jsonl": ["train", "plan run", "train more"],
    "run/samples.jsonl": ["train more"],
    "run/done.json": ["train", "plan run"],
    "run/trained_on.json": ["evaluate run", "train"],
    "run/unjudged.json": ["train", "train more"],
    "run/probe.json": ["train", "train more"],
    "run/checkpoints/step-000001/MANIFEST.json": ["train more", "evaluate run"],
    "run/checkpoints/step-000001/state.json": ["train more", "evaluate run"],
    "run/checkpoints/step-000001/config.json": ["evaluate run"],
    "run/checkpoints/step-000001/tersely.json": ["evaluate run"],
    "evaluated/model/task/config.json": ["evaluate"],
    "evaluated/model/task/responses.jsonl": ["evaluate"],
    "evaluated/model/task/summary.json": ["evaluate"],
    "evaluated/model/task/expected.json": ["evaluate"],
    "evaluated/model/task/done.json": ["evaluate"],
    "profile/model/task/profile.json": ["plan profile", "profile"],
    "samples/config.json": ["samples", "sft"],
    "samples/groups.jsonl": ["samples", "sft"],
    "samples/clock.jsonl": ["samples", "sft"],
    "samples/done.json": ["samples", "sft"],
    "samples/trained_on.json": ["samples", "sft"],
    f"{RUN}/config.json": ["behaviours", "report"],
    f"{RUN}/journal.jsonl": ["report"],
    f"{RUN}/clock.jsonl": ["report"],
    f"{RUN}/evaluation/arithmetic/summary.json": ["show", "behaviours", "report"],
    f"{RUN}/evaluation/arithmetic/responses.jsonl": ["show", "behaviours", "report"],
    "family/base/config.json": ["behaviours", "compare"],
    "family/base/evaluation/arithmetic/summary.json": ["show", "behaviours", "compare"],
}
"""Each file, and the verbs that read it."""


def _values(path: Path, value: Any) -> bytes:
    """The file's own fields, each with a value of another kind; of a log each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
        wrong = [json.dumps(dict.fromkeys(json.loads(line), value)) for line in lines]
    except (OSError, ValueError, TypeError):
        wrong = [json.dumps({"model_type": value, "problem_ids": value, "weight_map": value, "k": value})]
    return ("\n".join(wrong) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


FAULTS: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: _write(path, b""),
    "not JSON": lambda path: _write(path, b"{'a': 1,\n"),
    "a list": lambda path: _write(path, b"[1, 2]\n"),
    "null": lambda path: _write(path, b"null\n"),
    "numbers": lambda path: _write(path, _values(path, 7)),
    "texts": lambda path: _write(path, _values(path, "\ud800")),
    "lists": lambda path: _write(path, _values(path, [[]])),
    "objects": lambda path: _write(path, _values(path, {"a": {}})),
    "nulls": lambda path: _write(path, _values(path, None)),
    "NaN": lambda path: _write(path, _values(path, float("nan"))),
    "deep": lambda path: _write(path, b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"),
    "UTF-16": lambda path: _write(path, '{"a": 1}\n'.encode("utf-16")),
    "bytes": lambda path: _write(path, b"\x00\xff\xfe" * 50 + b"\n"),
    "FIFO": lambda path: _instead(path, os.mkfifo),
    "directory": lambda path: _instead(path, os.mkdir),
    "dangling link": lambda path: _instead(path, lambda place: place.symlink_to("nowhere")),
    "unreadable": lambda path: _instead(path, lambda place: (place.write_bytes(b"{}"), place.chmod(0))),
}
CASES = [(name, fault, verb) for name, verbs in READ.items() for fault in FAULTS for verb in verbs]
FAST = {"empty", "a list", "deep", "FIFO"}
"""Faults whose first verb is tried in the fast tests too, for every fifth file."""


def _marks(case: tuple[str, str, str]) -> list[pytest.MarkDecorator]:
    name, fault, verb = case
    place = list(READ).index(name)
    is_fast = fault in FAST and verb == READ[name][0] and (place + list(FAULTS).index(fault)) % 5 == 0
    return [] if is_fast else [pytest.mark.slow]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything, made by the verbs themselves."""
    root = tmp_path_factory.mktemp("fuzz")
    make_model_folder(root / "model")
    make_task(root / "task.jsonl", count=4)
    make_task(root / "held.jsonl", count=4, start=100)
    make_family(root / "family", alphas=(0.1,), problems=4)
    here = Path.cwd()
    os.chdir(root)
    try:
        for verb in ("train", "evaluate", "profile", "samples"):
            assert main(VERBS[verb]) == 0
    finally:
        os.chdir(here)
    return root


class Waiting(BaseException):
    """No Exception, lest something take it for an error of the file's."""


@contextmanager
def no_waiting() -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Waiting(f"still waiting after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault", "verb"), [pytest.param(*case, marks=_marks(case), id="-".join(case)) for case in CASES]
)
def test_a_damaged_file_is_one_sentence(
    name: str,
    fault: str,
    verb: str,
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blank_figures(monkeypatch)
    if fault == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    root = tmp_path / "scene"
    shutil.copytree(scene, root, ignore=lambda top, names: [n for n in names if n == "logs"])
    FAULTS[fault](root / name)
    monkeypatch.chdir(root)
    with no_waiting():
        code = main([RUN if word == "family/RUN" else word for word in VERBS[verb]])
    said = capsys.readouterr()
    assert code in CODES
    assert "Traceback" not in said.err
    last = said.err.strip().splitlines()[-1:] if code else []
    assert all(line.startswith("tersely: ") for line in last)
    assert code == 0 or len(last) == 1


def test_every_fault_meets_every_kind_of_file() -> None:
    assert len(CASES) == sum(map(len, READ.values())) * len(FAULTS)
    fast = [case for case in CASES if not _marks(case)]
    assert 20 < len(fast) < 80
    assert {fault for _, fault, _ in fast} == FAST
    assert {word for verbs in READ.values() for word in verbs} == set(VERBS)
    assert list(itertools.chain.from_iterable(READ.values())).count("evaluate") > 10
