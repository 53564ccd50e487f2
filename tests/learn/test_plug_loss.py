"""A policy loss of one's own: one function, and one line in ``LOSSES`` or its dotted name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tersely.config import LearnerConfig
from tersely.errors import UserError
from tersely.learn import losses
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.losses import LossInputs, PolicyLoss
from tiny_models import make_model


def reinforce(given: LossInputs) -> PolicyLoss:
    """-A_t * logprob_t: no ratio, no clip."""
    loss = -(given.weights_N * given.advantages_N * given.logprobs_N).sum()
    return PolicyLoss(loss, torch.zeros_like(given.logprobs_N, dtype=torch.bool))


ROWS = [TrainingRow((1, 2), (3, 4, 5)[:n], np.zeros(n), advantage, True) for n, advantage in ((2, 1.0), (3, -0.5))]


def learner(loss: str) -> Learner:
    return Learner(make_model(50), None, LearnerConfig(loss=loss, kl_coefficient=0.0), temperature=1.0, cap=8)


def test_a_toy_loss_is_one_line_and_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "LOSSES", {**losses.LOSSES, "reinforce": reinforce})
    ours, paper = learner("reinforce"), learner("ppo_clip")
    found = [one.update([ROWS]) for one in (ours, paper)]
    # At ratio 1 both have the same gradient, and so the same first step; the values of the losses differ.
    assert found[0].gradient_norms == pytest.approx(found[1].gradient_norms, rel=1e-5)
    assert found[0].losses != pytest.approx(found[1].losses)


def test_a_loss_of_ones_own_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_losses.py").write_text("def wrong():\n    return 0\n\ndef right(given):\n    return given\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert losses.find_loss("own_losses:right").__name__ == "right"
    with pytest.raises(UserError, match=r"must take \(LossInputs\)"):
        losses.find_loss("own_losses:wrong")


@pytest.mark.parametrize(
    ("name", "said"),
    [("ppo_clp", "did you mean 'ppo_clip'"), ("nowhere:loss", "cannot be imported"), (":x", "not of the form")],
)
def test_an_unknown_loss_is_refused_in_one_sentence(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        learner(name)
    assert "\n" not in str(raised.value)
