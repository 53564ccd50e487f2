"""benchmarks/gpu.py: its trace, its counting, and its whole code path on a toy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu
import gpu_whole
from gpu_phases import PARTS, training_flops
from gpu_setup import CAP, MEAN, SHAPES, ForcedDecoder, Setting, forced_lengths
from gpu_table import as_machine, write_results

TOY = Setting("tiny", torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("name", ["1.5b", "7b"])
def test_the_trace_has_its_mean_its_share_at_the_cap_and_its_spread(name: str) -> None:
    lengths = np.array(forced_lengths(MEAN[name], CAP[name]))
    assert len(lengths) == 256
    assert abs(lengths.mean() - MEAN[name]) <= 0.5
    assert lengths.max() == CAP[name]
    # 4 loops, and the draw that exceeds the cap by itself: 1.6 to 2 %.
    assert 4 <= (lengths == CAP[name]).sum() <= 5
    # Of 252 draws the standard deviation of the logarithm is 0.85 within 4 standard errors (0.85 / sqrt(2 * 252)).
    assert abs(np.log(lengths[lengths < CAP[name]]).std() - 0.85) < 0.15
    assert forced_lengths(MEAN[name], CAP[name]) == lengths.tolist()
    assert forced_lengths(MEAN[name], CAP[name], seed=2) != lengths.tolist()


@pytest.mark.parametrize(("name", "published"), [("1.5b", 1_777_088_000), ("7b", 7_615_616_512)])
def test_the_architectures_have_as_many_parameters_as_the_published_weights(name: str, published: int) -> None:
    """The totals in the index of the safetensors files of DeepSeek-R1-Distill-Qwen-1.5B and -7B."""
    assert Setting(name, torch.device("meta"), torch.bfloat16).shape.parameters == published


def test_operations_are_those_counted_by_torch() -> None:
    """Against torch's own counter, on one row. Eager attention computes all scores (4 T^2 q a layer), we count the
    causal half."""
    from torch.utils.flop_counter import FlopCounterMode

    row = max(TOY.rows(), key=lambda r: r.width)
    model, shape = TOY.make_model(), SHAPES["tiny"]
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hidden = model.base_model(torch.tensor([row.prompt_tokens + row.tokens])).last_hidden_state
        model.lm_head(hidden[:, -row.length :])
    full = 4 * row.width**2 * 128 * shape["num_hidden_layers"]
    linear = counter.get_total_flops() - full
    # Norms and biases count as two operations a parameter with us.
    assert training_flops(TOY, [row]) == pytest.approx(3 * linear + 3.5 * full / 2, rel=0.02)


def test_forced_rows_can_end_at_their_length_only() -> None:
    class Ready:
        def start(self, prompts: object, n: int, pad: int) -> torch.Tensor:
            return torch.zeros(2, 8)

        def step(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(tokens), 8)

    decoder = ForcedDecoder(Ready(), [1, 3], end=2, budget=60)
    chances = [decoder.start([(), ()], 1, 0).softmax(-1)[:, 2]]
    chances += [decoder.step(torch.zeros(2)).softmax(-1)[:, 2] for _ in range(2)]
    assert torch.stack(chances).tolist() == [[1, 0], [1, 0], [1, 1]]


def test_a_machine_is_read_back_from_two_decode_steps() -> None:
    """Made from 2 ms a step and half of a bandwidth of 1e12: both come out."""
    steps = {}
    for name, read in (("b1", 1e9), ("b256", 8e9)):
        seconds = 2e-3 + read / 0.5e12
        steps[name] = {"ms": seconds * 1e3, "bytes_per_s": read / seconds}
    machine = as_machine({"decode": steps, "gradients": {"flops_per_s": 4e14}}, 8e14, 1e12)
    assert machine["decode_efficiency"] == pytest.approx(0.5)
    assert machine["step_overhead"] == pytest.approx(2e-3)
    assert machine["train_efficiency"] == 0.5


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    gpu.main()


def test_without_a_gpu_nothing_is_measured_and_nothing_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run(monkeypatch, "--out", str(tmp_path))
    assert capsys.readouterr().out == "not measured: no GPU\n"
    assert not list(tmp_path.iterdir())


def test_a_part_that_failed_is_a_result_and_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = []

    def start(model: str, name: str, limit: float, changes: list[str]) -> dict[str, object]:
        tried.append(f"{model}.{name}")
        failed = {"failed": "out | of\nmemory"} if len(tried) == 1 else {"skipped": "-"}
        return {"part": name, "model": model, "date": "2026-11-20", **failed}

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "start_part", start)
    run(monkeypatch, "--phases", "head,decode", "--model", "7b", "--out", str(tmp_path))
    assert "failed: memory" in (tmp_path / "gpu.md").read_text()
    run(monkeypatch, "--phases", "head,decode", "--model", "7b", "--out", str(tmp_path))
    assert tried == ["7b.head", "7b.decode", "7b.head"]


def test_the_small_model_goes_through_the_chain_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start(model: str, name: str, limit: float, changes: list[str]) -> dict[str, object]:
        return {"part": name, "model": model, "date": "2026-11-30", "skipped": "-"}

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "start_part", start)
    run(monkeypatch, "--out", str(tmp_path))
    made = {path.stem for path in (tmp_path / "gpu_parts").iterdir()}
    big = {f"{model}.{name}" for model in ("1.5b", "7b") for name in PARTS if name != "whole"}
    assert made == big | {"small.whole"}
    small = (tmp_path / "gpu.md").read_text().partition("## small")[2]
    assert "| whole | whole | | |" in small.replace("  ", " ")
    assert "aim" not in small


def test_a_step_that_is_missing_or_made_twice_is_no_whole_run(tmp_path: Path) -> None:
    lines = [{"step": step, "logprob_gap_mean": None} for step in (1, 2, 2, 3)]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(AssertionError, match="there twice"):
        gpu_whole._looked_at(tmp_path, [])


@pytest.mark.long
def test_the_toy_goes_through_every_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All but TRL's side: its imports alone take as long."""
    names = [name for name in PARTS if name != "trl-8"]
    run(monkeypatch, "--tiny", "--phases", ",".join(names), "--out", str(tmp_path))
    summary = json.loads((tmp_path / "gpu.json").read_text())["summary"]["tiny"]
    assert summary["rollout"] == "rollout-model"
    assert all(summary[key] is not None for key in ("whole_iteration_s", "mfu", "head_extra_gb", "plan"))
    page = (tmp_path / "gpu.md").read_text()
    assert "tersely_varlen, packed" in page
    assert "failed" not in page
    whole = json.loads((tmp_path / "gpu_parts/tiny.whole.json").read_text())
    assert 3 <= whole["stopped_after"] < whole["steps"] == 12
    assert whole["updates"] > 0
    assert whole["gap_nats"] < 1e-3
    assert f"transformers: stopped after step {whole['stopped_after']}, went on to 12, 64 responses" in page
    write_results(tmp_path, "again")
    assert "`again`" in (tmp_path / "gpu.md").read_text()
