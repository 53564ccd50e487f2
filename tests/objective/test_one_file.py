"""The flat example and the library are the same method: the same responses give the same losses and weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tersely.config import LearnerConfig
from tersely.learn.batch import TrainingRow, split_updates
from tersely.learn.learner import Learner
from tersely.objective import Objective
from tersely.records import Kind, Problem
from tiny_models import make_model_folder

EXAMPLE = Path(__file__).parents[2] / "examples" / "one_file.py"


@pytest.fixture(scope="module")
def one_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location("one_file", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_flat_example_and_library_give_the_same_losses_and_weights(
    one_file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alpha: float
) -> None:
    folder = make_model_folder(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    flat, reference, ours = (AutoModelForCausalLM.from_pretrained(folder).eval() for _ in range(3))
    # A random model never answers: here a response is right if it starts with an odd token.
    monkeypatch.setattr(one_file, "is_correct", lambda tokenizer, response, answer: response[0] % 2 == 1)
    monkeypatch.setattr(one_file, "SIBLINGS", 4)
    problems = [Problem(str(i), f"What is {i}?", str(i), Kind.MATH, "test") for i in range(4)]
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(flat.parameters(), lr=1e-2, betas=(0.9, 0.95))
    losses, batch, _, _ = one_file.train_step(flat, reference, tokenizer, optimizer, problems, alpha, cap=12)

    groups = [batch[i : i + 4] for i in range(0, 16, 4)]
    credits = Objective(alpha=alpha).credits(
        [([r[0] % 2 == 1 for _, r, _, _ in g], [len(r) for _, r, _, _ in g], None) for g in groups]
    )
    rows = [
        [
            TrainingRow(tuple(p), tuple(r), old.double().numpy(), float(credit.advantages_G[i]), credit.has_signal)
            for i, (p, r, old, _) in enumerate(group)
        ]
        for group, credit in zip(groups, credits, strict=True)
    ]
    config = LearnerConfig(learning_rate=1e-2, warmup_steps=0, old_logprobs="sampler")
    learner = Learner(ours, reference, config, temperature=1.0, cap=12)
    metrics = learner.update([[row for group in rows[part] for row in group] for part in split_updates(rows, 2)])
    assert any(abs(loss) > 1e-3 for loss in losses)
    np.testing.assert_allclose(metrics.losses, losses, rtol=1e-4, atol=1e-6)
    for a, b in zip(flat.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)
