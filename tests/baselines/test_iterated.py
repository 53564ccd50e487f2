"""Iterated SFT: each round samples from the round before, all of them together as many tokens as were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from tersely import cli
from tersely.baselines import iterated
from tersely.baselines.iterated import Rounds, run_iterated, tokens_sampled_by
from tersely.baselines.kept import read_samples
from tersely.baselines.records import BaselineSummary
from tersely.baselines.samples import Part, draw_samples
from tersely.baselines.settings import BaselineConfig, resolve_baseline, resolve_samples
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.evaluation.runs import read_run
from tersely.models.folder import resolve_model
from tersely.models.trained_for import TrainedFor, read_trained_for
from tersely.page.settings import describe
from tersely.runs.folder import read_config, read_done, read_log
from tersely.stop import Stopped
from tiny_models import make_model_folder, make_task

QUIET = PlainDisplay("test")
ROUNDS = Rounds(2, 4500)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iterated")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


@pytest.fixture(autouse=True)
def _parity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model never answers, so a rule of this test judges."""
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)


def settings(root: Path) -> dict[str, Any]:
    """Four problems are drawn at once, about 1,200 tokens."""
    return {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "seed": 3,
        "sampling": {"n": 8, "max_new_tokens": 40, "max_rows": 32},
        "run": {"threads": 1, "judge_workers": 1, "device": "cpu"},
        "tuning": {"learning_rate": 1e-2, "batch": 4, "warmup_share": 0.0},
    }


def config(root: Path) -> BaselineConfig:
    return resolve_baseline("iterated-sft", settings(root))


# --- a part of the problems --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_part_is_drawn_from_its_start_round_and_round_until_its_tokens_are_reached(
    root: Path, tmp_path: Path
) -> None:
    samples = resolve_samples({k: v for k, v in settings(root).items() if k != "tuning"})
    draw_samples(samples, tmp_path / "all", QUIET)
    every = read_samples(tmp_path / "all").groups
    wanted = Part(8, 5 * sum(r.length for r in every[8].rollouts))
    draw_samples(samples, tmp_path / "part", QUIET, part=wanted)
    part = read_samples(tmp_path / "part")
    assert [g.problem.id for g in part.groups] == [g.problem.id for g in [*every[8:], *every[:4]]]
    # A response is a function of seed, problem and sample, wherever its problem stands.
    assert [[r.tokens for r in g.rollouts] for g in part.groups[:4]] == [
        [r.tokens for r in g.rollouts] for g in every[8:]
    ]
    before = (tmp_path / "part" / "groups.jsonl").read_bytes()
    draw_samples(samples, tmp_path / "part", QUIET, part=wanted)
    assert (tmp_path / "part" / "groups.jsonl").read_bytes() == before
    with pytest.raises(UserError, match=r"part\.start was 8, is now 4"):
        draw_samples(samples, tmp_path / "part", QUIET, part=Part(4, wanted.tokens))


# --- runs --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_rounds_go_on_from_each_other_and_sample_what_they_were_given(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run_iterated(config(root), ROUNDS, out, QUIET)
    first, second = (read_samples(out / f"round-{number}-samples") for number in (1, 2))
    assert (first.identity.model, second.identity.model) == (str(root / "model"), str(out / "round-1"))
    ids = [[g.problem.id for g in samples.groups] for samples in (first, second)]
    assert not set(ids[0]) & set(ids[1][: 12 - len(ids[0])])  # the next problems, then the first ones again
    assert json.loads((out / "trained_on.json").read_text())["problem_ids"] == sorted({*ids[0], *ids[1]})

    sampled = int(first.cost.tokens_sampled + second.cost.tokens_sampled)
    assert ROUNDS.tokens <= sampled < ROUNDS.tokens + 32 * 40
    assert tokens_sampled_by(out) == sampled
    journal, clock = read_log(out / "journal.jsonl"), read_log(out / "clock.jsonl")
    assert sum(line["response_tokens"] for line in journal) == sampled
    steps = [read_done(out / f"round-{n}") or {} for n in (1, 2)]
    assert done.optimizer_steps == sum(step["optimizer_steps"] for step in steps) == clock[-1]["step"]
    assert done.learnt_from == sum(step["learnt_from"] for step in steps)
    assert [line["round"] for line in journal] == sorted(line["round"] for line in journal)

    last, made = resolve_model(out / "round-2"), resolve_model(out)
    assert (last / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()
    assert (made / "model.safetensors").read_bytes() != (root / "model" / "model.safetensors").read_bytes()
    assert read_trained_for(made) == TrainedFor("iterated-sft", "question", 40, base=str(root / "model"))
    assert run_iterated(config(root), ROUNDS, out, QUIET) == done  # finished: nothing to do
    assert describe([read_run(out)])[out][1:] == ("Iterated SFT", "Iterated SFT lr 1e-02")
    with pytest.raises(UserError, match="rounds was 2, is now 3"):
        run_iterated(config(root), Rounds(3, 4500), out, QUIET)


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_in_its_round_to_the_same_bytes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = iterated.run_baseline

    def stopped(method: str, own: BaselineConfig, place: Path, *rest: Any) -> BaselineSummary:
        if place.name == "round-2":
            raise Stopped(15, "the samples are kept")
        return plain(method, own, place, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(iterated, "run_baseline", stopped)
        with pytest.raises(Stopped):
            run_iterated(config(root), ROUNDS, tmp_path / "stopped", QUIET)
    assert read_done(tmp_path / "stopped") is None
    kept = (tmp_path / "stopped" / "round-2-samples" / "groups.jsonl").read_bytes()
    for name in ("stopped", "straight"):
        run_iterated(config(root), ROUNDS, tmp_path / name, QUIET)
    assert (tmp_path / "stopped" / "round-2-samples" / "groups.jsonl").read_bytes() == kept
    stopped_run, straight = (resolve_model(tmp_path / name) for name in ("stopped", "straight"))
    assert (stopped_run / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()
    steps = [[line["step"] for line in read_log(tmp_path / n / "journal.jsonl")] for n in ("stopped", "straight")]
    assert steps[0] == steps[1]
    assert read_config(tmp_path / "stopped")["tokens_to_sample"] == 4500


# --- budgets and mistakes ----------------------------------------------------------------------------------------


def test_the_budget_of_a_run_is_what_its_logs_say_it_sampled(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tell of no sampled tokens: name a run folder"):
        tokens_sampled_by(tmp_path)
    # Reinforcement learning counts in its journal, baselines in their clock.
    (tmp_path / "journal.jsonl").write_text('{"step": 1, "response_tokens": 70}\n{"step": 2, "response_tokens": 50}\n')
    with pytest.raises(UserError, match="is not finished, so what it will sample is not known"):
        tokens_sampled_by(tmp_path)
    (tmp_path / "done.json").write_text("{}")
    assert tokens_sampled_by(tmp_path) == 120
    (tmp_path / "clock.jsonl").write_text('{"step": 0, "tokens_sampled": 90}\n{"step": 1, "tokens_sampled": 0}\n')
    assert tokens_sampled_by(tmp_path) == 90


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sft", "--rounds", "2"], "--rounds is for iterated-sft: leave it out"),
        (["iterated-sft", "--samples", "S", "--tokens", "9"], "draws its own samples in every round"),
        (["iterated-sft", "--model", "m", "--task", "t"], "needs a budget: --like RUN"),
        (["iterated-sft", "--tokens", "9", "--rounds", "0"], "--rounds 0: give 1 or more"),
        (["iterated-sft", "--tokens", "5"], "5 tokens are not one for each of 6 rounds"),
        (["iterated-sft", "--like", "nowhere"], "there is no run folder of tersely at nowhere"),
    ],
)
def test_mistakes_are_refused_in_one_sentence_and_nothing_is_written(
    arguments: list[str], said: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = [] if "--samples" in arguments else ["--model", str(root / "model"), "--task", str(root / "task.jsonl")]
    more = ["--learning-rate", "1e-3", "--out", str(tmp_path / "run")]
    assert cli.main(["baseline", *drawn, *arguments, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
