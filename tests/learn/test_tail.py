"""Old and reference log-probabilities computed while the last responses are decoded: the same bits, only earlier."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from crash import survive_every_crash
from tersely.config import LearnerConfig, TrainConfig
from tersely.errors import RunError
from tersely.learn.attention import VARLEN, switched
from tersely.learn.batch import Batch, TrainingRow
from tersely.learn.learner import OLD, REFERENCE, Learner
from tersely.learn.logprobs import Pass, Scorer
from tersely.learn.tail import Tail, beside
from tersely.records import Finish, Rollout
from tersely.runs.logs import read_log
from tersely.samplers.base import Finished, Progress, Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tiny_models import make_model, make_model_folder, make_task
from training import settings, train_for_odd_texts

ALONE = {"token_budget": 1}
"""Every row of an update in a micro-batch of its own, as under the tail."""
FEW = {"prompts": 2, "max_new_tokens": 24}
"""Eight responses a step: one gradient step of those that have the old log-probabilities, one of the others."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tail")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def config(
    root: Path, *, tail: bool, run: dict[str, Any] | None = None, sampling: dict[str, Any] | None = None, **learner: Any
) -> TrainConfig:
    """Both passes are needed: the reference's for all responses, the old ones for those of the second gradient step."""
    common = {"old_logprobs": "trainer", "kl_coefficient": 0.05, "under_the_tail": tail}
    whole = {"steps": 2, "checkpoint_every": 1, **(run or {})}
    return settings(root, learner={**common, **learner}, run=whole, sampling=sampling or {})


def outcome(run: Path) -> tuple[bytes, bytes, str]:
    """Weights and optimizer after the last step, and the journal."""
    last = max((run / "checkpoints").iterdir())
    files = (last / "model.safetensors", last / "training/optimizer.safetensors")
    return files[0].read_bytes(), files[1].read_bytes(), (run / "journal.jsonl").read_text()


def end_with_tail(learner: dict[str, Any], root: Path, out: Path, **parts: Any) -> tuple[bytes, bytes, str]:
    train_for_odd_texts(config(root, tail=True, **learner), out, **parts)
    return outcome(out)


# ---- the same numbers


@pytest.mark.parametrize(
    "learner",
    [
        {},
        *[
            pytest.param(learner, marks=pytest.mark.slow)
            for learner in (
                {"kl_in": "loss"},
                {"old_logprobs": "sampler"},
                {"kl_coefficient": 0.0},
                {"layout": "packed"},
                {"gradient_checkpointing": True, "mask_truncated": True},
                {"loss": "kl_cov"},
                {"lora": {"rank": 4}},
                {"run": {"dtype": "bfloat16"}},
                {"run": {"dtype": "bfloat16"}, "optimizer": "adam8bit"},
                {"run": {"dtype": "bfloat16"}, "lora": {"rank": 4}},
            )
        ],
    ],
    ids=str,
)
def test_weights_and_journal_are_those_of_rows_that_go_alone_bit_for_bit(
    root: Path, tmp_path: Path, learner: dict[str, Any]
) -> None:
    """With a budget of one token a micro-batch is one row, and then the switch changes nothing but the moment."""
    if "lora" in learner:
        pytest.importorskip("peft")
    if "optimizer" in learner:
        pytest.importorskip("torchao")
    parts = {**ALONE, "sampling": FEW, **learner}
    train_for_odd_texts(config(root, tail=False, **parts), tmp_path / "off")
    assert end_with_tail(parts, root, tmp_path / "on") == outcome(tmp_path / "off")


def test_rows_that_go_together_agree_within_rounding(root: Path, tmp_path: Path) -> None:
    for name, tail in (("off", False), ("on", True)):
        train_for_odd_texts(config(root, tail=tail, run={"steps": 1}), tmp_path / name)
    off, on = (load_file(tmp_path / name / "checkpoints/step-000001/model.safetensors") for name in ("off", "on"))
    for name in off:
        # One step of Adam at 1e-2 moves a weight by 1e-2 at most, whatever the gradient is.
        torch.testing.assert_close(on[name], off[name], rtol=0, atol=1e-3)
    (one,), (other,) = (read_log(tmp_path / name / "journal.jsonl") for name in ("off", "on"))
    assert other["kl"] == pytest.approx(one["kl"], rel=1e-3)
    assert other["loss"] == pytest.approx(one["loss"], rel=1e-3, abs=1e-6)


# ---- earlier


@dataclass
class Watched:
    """Every response that ended and every pass that was made, in order."""

    events: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, event: str) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait_for_passes(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.events.count("pass") >= count, timeout=60), self.events


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found, alone = Watched(), Tail._alone

    def noted(tail: Tail, score: Pass, row: TrainingRow) -> torch.Tensor:
        logprobs_T = alone(tail, score, row)
        found.note("pass")
        return logprobs_T

    monkeypatch.setattr(Tail, "_alone", noted)
    return found


@dataclass
class Staggered:
    """An engine whose groups end one after another, the last one once the passes of all others are made."""

    root: Path
    watched: Watched
    fails: bool = False
    """With the last group still to come, in the second step."""
    due: int = 0
    """Passes over the responses of all steps so far."""
    inner: Any = None

    def load_weights(self, model: Any, version: int) -> None:
        self.inner = self.inner or TransformersSampler(model, AutoTokenizer.from_pretrained(self.root / "model"))
        self.inner.load_weights(model, version)

    def close(self) -> None:
        raise AssertionError("it is the caller's")

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        assert on_finished is not None
        rollouts: list[Rollout] = self.inner.generate(prompts, sampling)
        half, last = len(rollouts) // 2, len(rollouts) - sampling.n
        for i, rollout in enumerate(rollouts):
            if i == last:
                if self.fails and self.inner.version == 1:
                    raise RunError("the engine fell over")
                self.watched.wait_for_passes(self.due + passes_over(rollouts[:last], rollouts[half:last]))
            self.watched.note("ended")
            on_finished(rollout)
        self.due += passes_over(rollouts, rollouts[half:])
        return rollouts


def passes_over(ended: Sequence[Rollout], later: Sequence[Rollout]) -> int:
    """One of the reference for each response, one of the policy for those of the second gradient step; responses that
    say the same are one."""
    return sum(len({(r.prompt_tokens, r.tokens) for r in some}) for some in (ended, later))


def test_passes_over_ended_groups_are_made_before_the_last_group_ends(
    root: Path, tmp_path: Path, watched: Watched
) -> None:
    engine = Staggered(root, watched)
    found = end_with_tail({}, root, tmp_path / "run", sampler=engine)
    assert watched.events.count("ended") == 2 * 16
    assert watched.events.count("pass") == engine.due
    # Who ended when leaves no trace: the same run by the engine that ends them in its own order.
    assert end_with_tail({}, root, tmp_path / "ours") == found


class AtOnce(Executor):
    """Whatever is submitted is done before ``submit`` returns."""

    def __init__(self, *_: Any) -> None: ...

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def test_our_engine_hands_over_every_response_as_it_ends(
    root: Path, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.learn.tail.ThreadPoolExecutor", AtOnce)
    ended = TransformersSampler._rollout

    def noted(self: TransformersSampler, *args: Any) -> Rollout:
        watched.note("ended")
        return ended(self, *args)

    monkeypatch.setattr(TransformersSampler, "_rollout", noted)
    end_with_tail({"run": {"steps": 1}}, root, tmp_path / "run")
    last = len(watched.events) - watched.events[::-1].index("ended") - 1
    assert watched.events.count("ended") == 16
    # Of 16 responses 15 have a pass of the reference, some two, unless they say the same as another.
    assert watched.events[:last].count("pass") > 15
    assert set(watched.events[last + 1 :]) == {"pass"}


def test_what_no_update_needs_is_not_begun(root: Path, tmp_path: Path, watched: Watched) -> None:
    """With KL off and the sampler's own log-probabilities nothing is; nor is what is masked, which ends last."""
    end_with_tail({"kl_coefficient": 0.0, "old_logprobs": "sampler"}, root, tmp_path / "none")
    assert watched.events == []
    model = make_model(50)
    learner = Learner(model, None, LearnerConfig(under_the_tail=True, mask_truncated=True), 1.0, 64)
    for finish, passes in ((Finish.LENGTH, 0), (Finish.EOS, 1)):
        learner.begin(Rollout("p", 0, (3, 4), (5, 6), None, "", finish, 0), later=False)
        watched.wait_for_passes(passes)
    assert watched.events == ["pass"]
    learner.close()


# ---- the pieces


def row(*tokens: int) -> TrainingRow:
    return TrainingRow((3, 4), tokens, None, 0.0, has_signal=True)


def batch(*rows: TrainingRow) -> Batch:
    return Batch(rows, np.ones(len(rows)))


def test_a_pass_is_made_once_and_asked_for_in_any_composition(watched: Watched) -> None:
    learner = Learner(make_model(50), None, LearnerConfig(under_the_tail=True), 0.8, 64)
    tail = learner.tail
    assert tail is not None
    rows = [row(5, 6, 7), row(8), row(5, 6, 7)]
    tail.begin(REFERENCE, rows[0].prompt_tokens, rows[0].tokens)
    one, two = tail.logprobs(REFERENCE, [batch(*rows), batch(rows[1])])
    assert watched.events == ["pass", "pass"]
    assert one.tolist() == [*one[:3].tolist(), *two.tolist(), *one[:3].tolist()]
    assert torch.equal(two, learner._passes[REFERENCE]([rows[1]]))
    # Other weights, other numbers: nothing is left from before.
    tail.end()
    with torch.no_grad():
        learner.model.lm_head.weight.mul_(2.0)
    (after,) = tail.logprobs(OLD, [batch(rows[0])])
    assert torch.equal(after, learner._passes[OLD]([rows[0]]))
    assert not torch.equal(after, one[:3])
    tail.end()


def test_what_is_not_wanted_is_given_up_and_errors_are_told_where_the_numbers_are_asked_for() -> None:
    started, goes_on = threading.Event(), threading.Event()

    class Slow(Scorer):
        def forward(self, rows: Sequence[TrainingRow], *_: Any) -> Any:
            started.set()
            assert goes_on.wait(60)
            if rows[0].tokens == (9,):
                raise MemoryError
            return super().forward(rows, 1.0, False)

    model = make_model(50)
    tail = Tail({OLD: Pass(Slow(model), 1.0, False, nullcontext)}, model.device)
    futures = [tail.begin(OLD, (3, 4), tokens) for tokens in ((5,), (6,), (7,), (9,))]
    assert started.wait(60)
    tail.only([batch(row(5), row(7))])
    assert [future.cancelled() for future in futures] == [False, True, False, True]
    goes_on.set()
    (found,) = tail.logprobs(OLD, [batch(row(5), row(7))])
    assert found.shape == (2,)
    with pytest.raises(MemoryError):
        tail.logprobs(OLD, [batch(TrainingRow((4,), (9,), None, 0.0, has_signal=True))])
    tail.end()
    assert not any(thread.name.startswith("tail") for thread in threading.enumerate())


def test_the_model_beside_has_the_same_weights_and_nothing_else_in_common() -> None:
    model = make_model(50)
    twin = beside(model)
    assert [id(p) for p in twin.parameters()] == [id(p) for p in model.parameters()]
    assert twin.lm_head.weight is twin.model.embed_tokens.weight
    with switched([twin], VARLEN):
        assert model.config._attn_implementation != VARLEN
    twin.model.layers[0].forward = None
    assert model.model.layers[0].forward is not None


def test_the_policy_that_may_be_sampled_from_attends_as_before() -> None:
    model = make_model(50)
    before = model.config._attn_implementation
    learner = Learner(model, None, LearnerConfig(under_the_tail=True, layout="packed"), 1.0, 64)
    assert learner.tail is not None
    assert {one.scorer.model.config._attn_implementation for one in learner.tail._passes.values()} == {VARLEN}
    assert learner.model.config._attn_implementation == before


# ---- stopping, failing, going on


def test_a_run_that_broke_under_the_tail_goes_on_to_the_same_bits(root: Path, tmp_path: Path, watched: Watched) -> None:
    whole = end_with_tail({}, root, tmp_path / "whole")
    with pytest.raises(RunError, match="fell over"):
        end_with_tail({}, root, tmp_path / "run", sampler=Staggered(root, watched, fails=True))
    assert not any(thread.name.startswith("tail") for thread in threading.enumerate())
    assert len(read_log(tmp_path / "run/journal.jsonl")) == 1
    assert end_with_tail({}, root, tmp_path / "run") == whole


@pytest.mark.slow
def test_killed_at_storage_calls_it_ends_with_the_same_bits(root: Path, tmp_path: Path) -> None:
    points = survive_every_crash(
        lambda out: train_for_odd_texts(config(root, tail=True, sampling=FEW), out),
        tmp_path,
        outcome,
        kinds=True,
        stride=5,
    )
    assert len(points) >= 5


def test_lack_of_memory_names_the_switch_and_the_run_goes_on_without_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")

    with monkeypatch.context() as stubbed:
        stubbed.setattr(Tail, "_alone", short)
        with pytest.raises(RunError, match=r"memory ran out while updating.*--set learner.under_the_tail=false"):
            train_for_odd_texts(config(root, tail=True), tmp_path / "run")
    assert train_for_odd_texts(config(root, tail=False), tmp_path / "run").steps == 2


def test_a_resume_with_the_switch_turned_says_that_it_cannot_be_exact(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_for_odd_texts(config(root, tail=False, run={"steps": 1}), tmp_path / "run")
    capsys.readouterr()
    train_for_odd_texts(config(root, tail=True), tmp_path / "run")
    assert "cannot be bit-exact: under_the_tail was False" in capsys.readouterr().err
