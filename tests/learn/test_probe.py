"""A short sample of the base before training, and a plan beside what a run measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from run_files import without_checks
from tersely.cli import main
from tersely.config import TrainConfig, merge, resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.learn.clock import Clock
from tersely.learn.loop import train
from tersely.learn.probe import ON_GPU, probe_size
from tersely.plan.against_run import compare_with_run
from tersely.plan.sample import LengthSample, refusal
from tersely.plan.time import Machine
from tersely.samplers.transformers import TransformersSampler
from tiny_models import make_model_folder, make_task

QUIET = PlainDisplay("test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def settings(root: Path, **over: Any) -> TrainConfig:
    base = {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "sampling": {"prompts": 4, "n": 4, "max_new_tokens": 150},
        "learner": {"old_logprobs": "sampler"},
        "run": {"steps": 2, "threads": 1, "judge_workers": 1},
    }
    return resolve(merge(base, over))


def test_the_interval_is_the_exact_binomial_one() -> None:
    """Hand check: with none of n truncated the upper end solves (1 - p)^n = 0.025, with all of them p^n = 0.025."""
    none, every = LengthSample(9, (1,) * 32, 0), LengthSample(9, (), 32)
    assert none.interval() == (0.0, pytest.approx(1 - 0.025 ** (1 / 32)))
    assert every.interval() == (pytest.approx(0.025 ** (1 / 32)), 1.0)
    # Published table of Clopper-Pearson limits: 5 of 10, 0.187 to 0.813.
    assert LengthSample(9, (1,) * 5, 5).interval() == (pytest.approx(0.187, abs=5e-4), pytest.approx(0.813, abs=5e-4))


def test_only_what_the_sample_proves_is_refused() -> None:
    config = resolve({"model": "m", "task": "t", "sampling": {"max_new_tokens": 50}})
    # 10 % of 32 lies below the lower limit from 8 on.
    assert refusal(LengthSample(50, (20,) * 25, 7), config) is None
    said = refusal(LengthSample(50, (20,) * 24, 8), config)
    assert said is not None
    assert "8 of 32 responses" in said
    assert "run.probe=0" in said


def test_a_cpu_is_not_probed_unless_asked_and_a_gpu_is() -> None:
    config = resolve({"model": "m", "task": "t"})
    assert probe_size(config, torch.device("cpu"), 99) == 0
    assert probe_size(config, torch.device("cuda"), 99) == ON_GPU
    assert probe_size(config, torch.device("cuda"), 5) == 5
    asked = resolve({"model": "m", "task": "t", "run": {"probe": 7}})
    assert probe_size(asked, torch.device("cpu"), 99) == 7


@pytest.mark.slow
def test_a_probe_is_kept_is_not_drawn_again_and_changes_no_bit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(root, run={"probe": 6})
    train(config, tmp_path / "with", QUIET)
    train(settings(root), tmp_path / "without", QUIET)
    journals = [(tmp_path / name / "journal.jsonl").read_bytes() for name in ("with", "without")]
    assert journals[0] == journals[1]
    assert not (tmp_path / "without" / "probe.json").exists()
    kept = json.loads((tmp_path / "with" / "probe.json").read_text())
    assert len(kept["lengths"]) + kept["truncated"] == 6

    # A run that was probed and killed before its first checkpoint reads what it knows.
    train(settings(root, run={"probe": 3}), tmp_path / "again", QUIET)
    (tmp_path / "again" / "done.json").unlink()
    for folder in (tmp_path / "again" / "checkpoints").iterdir():
        folder.rename(tmp_path / folder.name)
    calls = []
    plain = TransformersSampler.generate

    def generate(self: TransformersSampler, *args: Any) -> Any:
        calls.append(args[1].n)
        return plain(self, *args)

    monkeypatch.setattr(TransformersSampler, "generate", generate)
    train(settings(root, run={"probe": 3}), tmp_path / "again", QUIET)
    assert calls == [4, 4]


def test_a_cap_that_cuts_most_responses_is_refused_before_the_first_step(root: Path, tmp_path: Path) -> None:
    config = settings(root, sampling={"max_new_tokens": 3}, run={"probe": 12})
    for _ in range(2):
        with pytest.raises(UserError, match=r"run into the cap of 3 tokens.*name another run folder"):
            train(config, tmp_path / "run", QUIET)
    assert not (tmp_path / "run" / "journal.jsonl").exists()


def test_plan_samples_on_request_and_refuses_with_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--template", "question"]
    words += ["--set", "sampling.prompts=4", "--sample", "12", "--json", "--set", "sampling.max_new_tokens="]
    assert main([*words[:-1], f"{words[-1]}3"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert "run into the cap of 3 tokens" in found["notes"][0]
    assert found["lengths"]["measured"]
    assert any("would truncate" in reason for reason in found["refusals"])


def test_plan_without_model_or_run_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--task", "arithmetic"]) == 2
    assert "--run RUN" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_compared_with_its_plan(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    train(settings(root, run={"steps": 3, "all_wrong_stop": 0}), run, QUIET)
    clock = [json.loads(line) for line in (run / "clock.jsonl").read_text().splitlines()]
    found = {q.name: q for q in compare_with_run(run, Machine("mine", 1e9, 1e9)).quantities}
    # The first of three steps is left out; the median of two is their mean.
    assert found["iteration"].measured == pytest.approx((clock[1]["step_s"] + clock[2]["step_s"]) / 2)
    assert found["iteration"].predicted["mine"] > 0
    assert found["peak updating"].measured is None
    assert main(["plan", "--run", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "iteration, s" in printed
    assert "nothing is predicted for a CPU" in printed


@pytest.mark.slow
def test_a_run_is_compared_while_it_goes_on(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(settings(root, run={"steps": 1}), run, QUIET)
    with (run / "journal.jsonl").open("a") as journal:
        journal.write('{"step": 2, "eve')  # a line that is being written
    assert compare_with_run(run).steps == 1
    (run / "clock.jsonl").unlink()
    with pytest.raises(UserError, match="no finished step"):
        compare_with_run(run)


@pytest.mark.slow
def test_memory_of_each_phase_is_noted_on_a_gpu(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's counters stood in for: each phase starts at zero, and the comparison reads the clock's words."""
    held = {"peak": 0}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: held.update(peak=0))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: held["peak"])
    clock = Clock(torch.device("cuda"))
    for name, peak in (("sample_s", 5), ("judge_s", 1), ("update_s", 9)):
        held["peak"] = peak
        clock.lap(name)
    record = clock.record(1, 10)
    assert [record[f"{name}_peak_bytes"] for name in ("sample", "judge", "update")] == [5, 1, 9]

    run = tmp_path / "run"
    train(settings(root, run={"steps": 1}), run, QUIET)
    without_checks(run)
    line = {**json.loads((run / "clock.jsonl").read_text()), "sample_peak_bytes": 3e9, "update_peak_bytes": 4e9}
    (run / "clock.jsonl").write_text(json.dumps(line) + "\n")
    found = {q.name: q for q in compare_with_run(run).quantities}
    assert found["peak updating"].measured == 4.0
    assert set(found["iteration"].predicted) == {"floor", "good", "typical"}
