"""A loss is one file and one line: a toy in ten lines, by its line or by its module, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from tersely.errors import UserError
from tersely.learn import losses
from tersely.learn.losses import LOSSES, LossInputs, PolicyLoss, find_loss
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts


def reinforce(given: LossInputs) -> PolicyLoss:
    """A toy: no ratio, no clip."""
    loss = -(given.weights_N * given.advantages_N * given.logprobs_N).sum()
    return PolicyLoss(loss, given.logprobs_N > 0)


def takes_nothing() -> None: ...


OWN = f"{__name__}:reinforce"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loss")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def test_one_line_in_the_table_gives_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "LOSSES", MappingProxyType({**LOSSES, "reinforce": reinforce}))
    assert find_loss("reinforce") is reinforce
    assert find_loss("ppo_clip") is losses.policy_loss


@pytest.mark.slow
def test_a_users_own_loss_trains_and_is_named_in_the_run(root: Path, tmp_path: Path) -> None:
    journals = {}
    for name in ("ppo_clip", OWN):
        out = tmp_path / name.rpartition(":")[2]
        train_for_odd_texts(settings(root, learner={"loss": name}, run={"steps": 1}), out)
        assert read_config(out)["learner"]["loss"] == name
        journals[name] = read_log(out / "journal.jsonl")[0]
    assert journals[OWN]["clip_fraction"] == 0.0
    assert journals[OWN]["loss"] != journals["ppo_clip"]["loss"]
    assert journals[OWN]["reward"] == journals["ppo_clip"]["reward"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ppo_clp", "unknown loss 'ppo_clp'.*did you mean 'ppo_clip'"),
        (f"{__name__}:gone", "cannot be imported"),
        ("not_there.at_all:loss", "cannot be imported .*not_there"),
        (f"{__name__}:takes_nothing", r"must take \(LossInputs\), and it does not"),
        (f"{__name__}:OWN", "is no function or class"),
    ],
)
def test_what_is_no_loss_is_refused_in_one_sentence(name: str, message: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        train_for_odd_texts(settings(root, learner={"loss": name}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
