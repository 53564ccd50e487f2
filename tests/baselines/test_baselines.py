"""Baselines: what they learn from, that ids reach the trainers unchanged, and that kept samples are never redrawn."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from graders import ParityJudge
from tersely import cli
from tersely.baselines import trainers
from tersely.baselines.choose import every_correct, pruner_credit, shortest_and_longest, shortest_correct
from tersely.baselines.distill import read_demonstrations
from tersely.baselines.kept import read_groups, read_samples
from tersely.baselines.pruner import group_batches
from tersely.baselines.run import examples_of
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import SamplesConfig, TuningConfig, from_recipe, resolve_baseline, resolve_samples
from tersely.baselines.trainers import Example, micro_size, tune
from tersely.config import read_recipe
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.extras import install_command
from tersely.models.folder import resolve_model
from tersely.models.load import load_model, load_tokenizer
from tersely.models.trained_for import TrainedFor, read_trained_for
from tersely.objective.methods.o1_pruner import pruner_rewards
from tersely.records import Credit, Finish, Group, Kind, Problem, Rollout, Status, Verdict
from tersely.runs.folder import read_config, read_done, read_log
from tersely.runs.json_file import read_json
from tersely.stop import Stopped, StopRequest
from tiny_models import make_model_folder, make_task

QUIET = PlainDisplay("test")
PROBLEM = Problem("p", "q", "1", Kind.MATH, "toy")
TRL = [pytest.param("sft", marks=pytest.mark.slow), pytest.param("dpo", marks=pytest.mark.slow)]
"""The first use of TRL in a process imports for seconds."""


def group(*responses: tuple[int, str], finish: Finish = Finish.EOS) -> Group:
    """Responses of given length and verdict; the tokens of response i are all i + 5."""
    rollouts = [
        Rollout("p", i, (1, 2), (i + 5,) * length, (-0.5,) * length, "", finish, 0)
        for i, (length, _) in enumerate(responses)
    ]
    verdicts = [Verdict(Status(status), None, "test") for _, status in responses]
    return Group(PROBLEM, tuple(rollouts), tuple(verdicts))


MIXED = group((9, "CORRECT"), (3, "WRONG"), (4, "CORRECT"), (4, "CORRECT"), (2, "UNJUDGED"), (9, "CORRECT"))


# --- what is learnt from ----------------------------------------------------------------------------------------


def test_shortest_and_longest_are_of_the_correct_responses_the_first_of_equals() -> None:
    assert shortest_correct(MIXED) is MIXED.rollouts[2]
    assert shortest_and_longest(MIXED) == (MIXED.rollouts[2], MIXED.rollouts[0])
    assert [r.index for r in every_correct(MIXED)] == [0, 2, 3, 5]


@pytest.mark.parametrize(
    "nothing",
    [
        group((3, "WRONG"), (4, "NO_ANSWER")),
        group((3, "CORRECT"), (4, "WRONG")),
        group((3, "CORRECT"), (3, "CORRECT")),
        group((3, "NO_ANSWER"), (5, "NO_ANSWER"), finish=Finish.LENGTH),
    ],
    ids=["none correct", "one correct", "equally long", "truncated"],
)
def test_there_is_no_pair_without_two_correct_responses_of_different_length(nothing: Group) -> None:
    assert shortest_and_longest(nothing) is None
    assert examples_of("dpo", [nothing]) == []


def test_a_problem_without_a_correct_response_gives_no_example() -> None:
    assert examples_of("sft", [group((3, "WRONG")), MIXED]) == [Example((1, 2), (7,) * 4)]
    assert examples_of("dpo", [MIXED]) == [Example((1, 2), (7,) * 4, (5,) * 9)]


def test_pruner_rewards_golden() -> None:
    # By hand from arXiv 2501.12570: lengths 10, 20, 30 have mean 20, accuracy 2/3, lambda 2.
    #   10, right: 20/10 - 1 + 2 * (1 - 2/3) = 5/3;  20, wrong: 0 + 2 * (0 - 2/3) = -4/3;
    #   30, right: 20/30 - 1 + 2/3 = 1/3.  The fourth is not judged: it moves no mean and earns nothing.
    rewards = pruner_rewards(
        np.array([True, False, True, False]),
        np.array([10.0, 20.0, 30.0, 500.0]),
        np.array([True, True, True, False]),
        accuracy_weight=2.0,
        bounds=(-2.0, 4.0),
    )
    np.testing.assert_allclose(rewards, [5 / 3, -4 / 3, 1 / 3, 0.0], rtol=1e-12)


def test_pruner_rewards_are_bounded_and_are_the_advantages() -> None:
    # By hand: mean 34, accuracy 1/2; 2 tokens, wrong: 34/2 - 1 - 1 = 15, cut to 4; 66, right: 34/66 - 1 + 1 = 0.515...
    credit = pruner_credit(group((2, "WRONG"), (66, "CORRECT")), 2.0, (-2.0, 4.0))
    np.testing.assert_allclose(credit.advantages_G, [4.0, 34 / 66])
    assert credit.has_signal
    nothing = pruner_credit(group((2, "UNJUDGED"), (66, "UNJUDGED")), 2.0, (-2.0, 4.0))
    assert nothing.dropped


def test_every_group_is_learnt_from_once_an_epoch_in_another_order() -> None:
    groups = [group((i + 1, "CORRECT"), (i + 2, "WRONG")) for i in range(10)]
    batches = group_batches(groups, TuningConfig(learning_rate=1.0, epochs=2, batch=6), seed=0)
    assert [len(b) for b in batches] == [3, 3, 3, 1] * 2
    epochs = [[g for b in batches[i : i + 4] for g in b] for i in (0, 4)]
    lengths = [[g.rollouts[0].length for g in epoch] for epoch in epochs]
    assert sorted(lengths[0]) == sorted(lengths[1]) == list(range(1, 11))
    assert lengths[0] != lengths[1]


def test_micro_batches_divide_the_batch_and_keep_to_the_budget() -> None:
    wide = Example((1,) * 10, (2,) * 90)
    assert micro_size([wide], 32, 1536) == 8  # 15 rows of 100 tokens fit; 8 is the largest divisor of 32 below
    assert micro_size([Example((1,) * 10, (2,) * 40, (3,) * 90)], 32, 1536) == 4  # two rows an example
    assert micro_size([wide], 32, 10) == 1


# --- settings ---------------------------------------------------------------------------------------------------


def test_a_recipe_gives_what_holds_for_baselines_too_and_no_learning_rate() -> None:
    settings = from_recipe(read_recipe("tiny"))
    assert settings["sampling"]["max_new_tokens"] == 320
    assert settings["tuning"]["adam_epsilon"] == 1e-4
    assert settings["run"] == {"threads": 1, "judge_workers": 1}
    with pytest.raises(UserError, match="needs --learning-rate: the paper tried"):
        resolve_baseline("sft", {**settings, "model": "m", "task": "t"})


def test_an_unknown_setting_names_the_nearest() -> None:
    settings = {"model": "m", "task": "t", "tuning": {"learning_rate": 1e-3, "epoch": 2}}
    with pytest.raises(UserError, match=r"unknown setting 'tuning.epoch' \(did you mean 'tuning.epochs'"):
        resolve_baseline("dpo", settings)


# --- runs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, a task, and samples of it; a random model never answers, so a rule of this test judges."""
    folder = tmp_path_factory.mktemp("baselines")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tersely.rollouts.Judge", ParityJudge)
        draw_samples(resolve_samples(settings(folder)), folder / "samples", QUIET)
    return folder


class NoneRight(ParityJudge):
    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [Verdict(Status.WRONG, "x", "test") for _ in pairs]


def settings(root: Path, **tuning: Any) -> dict[str, Any]:
    return {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "seed": 3,
        "sampling": {"n": 8, "max_new_tokens": 40, "max_rows": 32},
        "run": {"threads": 1, "judge_workers": 1, "device": "cpu"},
        "tuning": {"learning_rate": 1e-3, "batch": 4, **tuning},
    }


def test_samples_that_cannot_be_drawn_leave_no_folder(root: Path, tmp_path: Path) -> None:
    wanted = settings(root)
    wanted["sampling"] = {**wanted["sampling"], "max_new_tokens": 5000}
    with pytest.raises(UserError, match=r"use --set sampling\.max_new_tokens=\d+ or less"):
        draw_samples(resolve_samples(wanted), tmp_path / "samples", QUIET)
    assert not (tmp_path / "samples").exists()


def test_samples_hold_every_response_as_it_was_sampled(root: Path) -> None:
    found = read_samples(root / "samples")
    assert [len(g.rollouts) for g in found.groups] == [8] * 12
    tokenizer = load_tokenizer(root / "model")
    for rollout in found.groups[0].rollouts:
        assert tokenizer.decode(rollout.tokens, skip_special_tokens=True) == rollout.text
        assert rollout.logprobs is not None
        assert len(rollout.logprobs) == rollout.length
    done = read_done(root / "samples")
    assert done is not None
    assert (
        found.cost.tokens_sampled == done["response_tokens"] == sum(r.length for g in found.groups for r in g.rollouts)
    )


@pytest.mark.slow
def test_samples_of_more_problems_keep_what_was_drawn(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)
    out = tmp_path / "samples"
    draw_samples(resolve_samples({**settings(root), "train_size": 6}), out, QUIET)
    before = (out / "groups.jsonl").read_bytes()
    draw_samples(resolve_samples(settings(root)), out, QUIET)
    assert (out / "groups.jsonl").read_bytes().startswith(before)
    grown, whole = (list(read_groups(place)) for place in (out, root / "samples"))
    assert [[r.tokens for r in g.rollouts] for g in grown] == [[r.tokens for r in g.rollouts] for g in whole]
    assert read_json(out / "trained_on.json", "ids") == read_json(root / "samples/trained_on.json", "ids")
    assert read_done(out) == read_done(root / "samples")
    with pytest.raises(UserError, match="was made with another configuration"):
        draw_samples(resolve_samples({**settings(root), "train_size": 6}), out, QUIET)


@pytest.mark.slow
def test_samples_of_more_responses_keep_what_was_drawn(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)
    out = tmp_path / "samples"

    def asked(n: int, size: int | None) -> SamplesConfig:
        given = settings(root)
        return resolve_samples({**given, "sampling": {**given["sampling"], "n": n}, "train_size": size})

    draw_samples(asked(3, 6), out, QUIET)
    before = (out / "groups.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__enter__", _stopped)
        with pytest.raises(Stopped, match="6 of 12 problems are answered"):
            draw_samples(asked(8, None), out, QUIET)
    draw_samples(asked(8, None), out, QUIET)
    assert (out / "groups.jsonl").read_bytes().startswith(before)
    grown, whole = (list(read_groups(place)) for place in (out, root / "samples"))
    assert [[(r.index, r.tokens) for r in g.rollouts] for g in grown] == [
        [(r.index, r.tokens) for r in g.rollouts] for g in whole
    ]
    assert [g.verdicts for g in grown] == [g.verdicts for g in whole]
    assert read_done(out) == read_done(root / "samples")
    with pytest.raises(UserError, match="was made with another configuration"):
        draw_samples(asked(3, None), out, QUIET)


def test_stopped_sampling_goes_on_without_drawing_anything_twice(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)
    config, out = resolve_samples(settings(root)), tmp_path / "samples"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__enter__", _stopped)
        with pytest.raises(Stopped, match="4 of 12 problems are answered"):
            draw_samples(config, out, QUIET)
    with pytest.raises(UserError, match="are not finished"):
        read_samples(out)
    # As if killed in the middle of writing the next block.
    with (out / "groups.jsonl").open("ab") as file:
        file.write(b'{"problem": {"id"')
    first = (out / "groups.jsonl").read_bytes().split(b"\n")[:4]
    draw_samples(config, out, QUIET)
    assert (out / "groups.jsonl").read_bytes().split(b"\n")[:4] == first
    assert list(read_groups(out)) == list(read_groups(root / "samples"))


def _stopped(request: StopRequest) -> StopRequest:
    request.requested = signal.SIGTERM
    return request


def run(root: Path, name: str, out: Path, *more: str) -> int:
    arguments = ["--samples", str(root / "samples"), "--learning-rate", "1e-3", "--out", str(out)]
    return cli.main(["baseline", name, *arguments, "--set", "tuning.batch=4", "--set", "run.threads=1", *more])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TRL, "o1-pruner"])
def test_each_method_changes_the_weights_and_leaves_an_ordinary_run(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("samples that are kept must not be drawn again")

    monkeypatch.setattr("tersely.baselines.samples._open_sampler", never)
    out = tmp_path / "run"
    assert run(root, name, out) == 0
    made = resolve_model(out)
    before, after = (load_file(f / "model.safetensors") for f in (root / "model", made))
    assert before.keys() == after.keys()
    assert any(not before[k].equal(after[k]) for k in before)
    for file in ("config.json", "generation_config.json"):
        assert json.loads((made / file).read_text()) == json.loads((root / "model" / file).read_text())
    assert read_trained_for(made) == TrainedFor(name, "question", 40, base=str(root / "model"))
    assert read_config(out)["method"] == name
    assert read_config(out)["learning_rate"] == 1e-3
    _check_logs(root, out)
    suffixes = {path.suffix for path in out.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".jsonl", ".safetensors", ".jinja", ""}
    assert run(root, name, out) == 0  # finished: nothing to do
    assert not list(tmp_path.glob("*trl*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TRL, "o1-pruner"])
def test_a_single_optimizer_step_learns(name: str, root: Path, tmp_path: Path) -> None:
    # TRL rounds the warm-up up to a step, at which the learning rate is 0.
    assert run(root, name, tmp_path / "run", "--set", "tuning.batch=128") == 0
    steps = [line for line in read_log(tmp_path / "run/journal.jsonl") if line["event"] == "STEP"]
    assert [line["learning_rate"] for line in steps] == [1e-3]
    before, after = (load_file(f / "model.safetensors") for f in (root / "model", resolve_model(tmp_path / "run")))
    assert any(not before[k].equal(after[k]) for k in before)


@pytest.mark.parametrize("name", [*TRL, "o1-pruner"])
def test_adapters_alone_are_trained_and_the_checkpoint_has_them_merged_and_apart(
    name: str, root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(root, name, out, "--set", "tuning.lora.rank=2", "--set", "tuning.lora.targets=q_proj") == 0
    made = resolve_model(out)
    before, after = (load_file(f / "model.safetensors") for f in (root / "model", made))
    assert before.keys() == after.keys()
    assert {k for k in before if not before[k].equal(after[k])} == {k for k in before if "q_proj.weight" in k}
    alone = load_file(made / "adapter" / "adapter_model.safetensors")
    (layer,) = [k.removesuffix(".q_proj.weight") for k in before if "layers.0" in k and "q_proj.weight" in k]
    down, up = (alone[f"base_model.model.{layer}.q_proj.lora_{half}.weight"] for half in "AB")
    weight = f"{layer}.q_proj.weight"
    # alpha / rank = 64 / 2
    assert torch.allclose(after[weight], before[weight] + 32 * up @ down, atol=1e-6)
    _check_logs(root, out)


def test_what_cannot_be_adapted_is_told_by_the_setting_of_a_baseline(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--set", "tuning.lora.rank=2", "--set", "tuning.lora.targets=nothing")
    assert run(root, "sft", tmp_path / "run", *words) == 2
    assert "tuning.lora.targets names 'nothing', which is no linear layer" in capsys.readouterr().err
    for library in ("peft", "torchao"):
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    assert run(root, "sft", tmp_path / "run", "--set", "tuning.lora.rank=2") == 2
    assert "tuning.lora needs peft" in capsys.readouterr().err
    assert run(root, "sft", tmp_path / "run", "--set", "tuning.optimizer=adam8bit") == 2
    assert "tuning.optimizer = adam8bit needs torchao" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_step_without_a_gradient_is_logged_and_a_run_of_them_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    equal = {**settings(root), "sampling": {"n": 8, "max_new_tokens": 1, "max_rows": 32}}

    draw_samples(resolve_samples(equal), tmp_path / "equal", QUIET, NoneRight())
    arguments = ["--samples", str(tmp_path / "equal"), "--learning-rate", "1e-3", "--out", str(tmp_path / "no")]
    assert cli.main(["baseline", "o1-pruner", *arguments, "--set", "tuning.batch=4"]) == 2
    assert "nothing for o1-pruner to learn from" in capsys.readouterr().err

    first = next(read_groups(root / "samples")).problem.id

    def credit(group: Group, *rest: Any) -> Credit:
        found = pruner_credit(group, *rest)
        return replace(found, advantages_G=found.advantages_G * (group.problem.id != first))

    monkeypatch.setattr("tersely.baselines.pruner.pruner_credit", credit)
    assert run(root, "o1-pruner", tmp_path / "run") == 0
    assert sum("loss" not in line for line in read_log(tmp_path / "run/journal.jsonl")[1:]) == 1


def _check_logs(root: Path, out: Path) -> None:
    """A line an optimizer step, and what all of it cost: the samples first."""
    journal, clock = read_log(out / "journal.jsonl"), read_log(out / "clock.jsonl")
    done = read_done(out)
    assert done is not None
    assert [line["step"] for line in journal] == list(range(done["optimizer_steps"] + 1))
    assert [line["step"] for line in clock] == list(range(done["optimizer_steps"] + 1))
    assert all(np.isfinite(line["loss"]) for line in journal[1:])
    sampled = read_samples(root / "samples").cost.tokens_sampled
    assert sum(line["tokens_sampled"] for line in clock) == sampled == journal[0]["response_tokens"]
    trained, responses = (sum(line[key] for line in clock) for key in ("tokens_trained", "response_tokens_trained"))
    rows = _rows_learnt(root, read_config(out)["method"])
    assert trained == sum(prompt + response for prompt, response in rows)
    assert responses == sum(response for _, response in rows)


def _rows_learnt(root: Path, method: str) -> list[tuple[int, int]]:
    """(prompt, response) tokens of everything learnt from, counted without the trainers."""
    groups = list(read_groups(root / "samples"))
    if method == "o1-pruner":
        return [(len(r.prompt_tokens), r.length) for g in groups for r in g.rollouts]
    return [
        (len(e.prompt), len(response))
        for e in examples_of(method, groups)
        for response in (e.chosen, e.rejected)
        if response is not None
    ]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_token_ids_reach_the_model_unchanged(
    method: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids that no text gives: decoding and encoding them would change them. What the model reads must hold each."""
    tokenizer = load_tokenizer(root / "model")
    # The letters of a merged token one by one: encoding their text would give the merged token.
    merged = [tokenizer.convert_ids_to_tokens(i) for i in range(260, 270)]
    apart = [tuple(tokenizer.convert_tokens_to_ids(list(token))) for token in merged]
    letters = next(ids for ids in apart if tuple(tokenizer.encode(tokenizer.decode(ids))) != ids)
    examples = [Example((7, 7, 30 + i), (200 + i, *letters, 1), (200 + i, *letters, *letters, 1)) for i in range(4)]
    seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    plain = trainers._TokenCounter.training_step

    def training_step(self: Any, model: Any, inputs: Any, *more: Any) -> Any:
        learnt = inputs["labels"] != -100 if method == "sft" else inputs["completion_mask"].bool()
        for ids, real, part in zip(inputs["input_ids"], inputs["attention_mask"].bool(), learnt, strict=True):
            seen.append((tuple(ids[real].tolist()), tuple(ids[part].tolist())))
        return plain(self, model, inputs, *more)

    monkeypatch.setattr(trainers._TokenCounter, "training_step", training_step)
    model, reference = (load_model(root / "model", torch.device("cpu"), torch.float32) for _ in range(2))
    embedded: list[Any] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, given: embedded.append(given[0]))
    config, steps = TuningConfig(learning_rate=1e-3, batch=4), []
    tune(
        method,
        model,
        reference if method == "dpo" else None,
        tokenizer,
        examples,
        config,
        dtype=model.dtype,
        seed=0,
        on_step=lambda done: steps.append(done.tokens_read),
        stop=StopRequest(),
    )
    learnt = [
        (e.prompt, r) for e in examples for r in ((e.chosen, e.rejected) if method == "dpo" else (e.chosen,)) if r
    ]
    assert sorted(seen) == sorted((prompt + response, response) for prompt, response in learnt)
    # What TRL hands to the model is what the model embeds, padding aside.
    read = {tuple(i for i in row if i != tokenizer.pad_token_id) for ids in embedded for row in ids.tolist()}
    assert read == {prompt + response for prompt, response in learnt}
    assert steps == [sum(len(prompt + response) for prompt, response in learnt)]


@pytest.mark.parametrize("method", TRL)
def test_a_tokenizer_without_padding_and_end_of_text_is_trained_on_like_any(
    method: str, root: Path, tmp_path: Path
) -> None:
    config, found = TuningConfig(learning_rate=1e-3, batch=4), []
    examples = [Example((7, 7, 30 + i), (200, 1), (201, 202, 203, 1)) for i in range(4)]
    for words in ({}, {"pad_token": None, "eos_token": None}):
        model, reference = (load_model(root / "model", torch.device("cpu"), torch.float32) for _ in range(2))
        tokenizer = load_tokenizer(root / "model")
        for name, word in words.items():
            setattr(tokenizer, name, word)
        given = (method, model, reference if method == "dpo" else None, tokenizer, examples, config)
        tune(*given, dtype=model.dtype, seed=0, on_step=lambda _: None, stop=StopRequest())
        found.append(model.state_dict())
    assert all(torch.equal(weight, found[1][name]) for name, weight in found[0].items())


@pytest.mark.slow
def test_training_that_was_stopped_begins_anew_from_the_kept_samples(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__enter__", _stopped)
        assert run(root, "o1-pruner", tmp_path / "run") == 128 + signal.SIGTERM
    assert read_done(tmp_path / "run") is None
    assert len(read_log(tmp_path / "run" / "journal.jsonl")) == 2
    assert run(root, "o1-pruner", tmp_path / "run") == 0
    assert run(root, "o1-pruner", tmp_path / "straight") == 0
    folders = [resolve_model(tmp_path / name) for name in ("run", "straight")]
    assert (folders[0] / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes()
    journals = [read_log(tmp_path / name / "journal.jsonl") for name in ("run", "straight")]
    assert journals[0] == journals[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sft", "--samples", "S", "--n", "4"], "the samples in S decide --n"),
        (["sft", "--samples", "nowhere", "--learning-rate", "1e-3"], "nowhere holds no samples"),
        (["sft", "--model", "m"], "needs --learning-rate"),
        (["samples", "--model", "m", "--learning-rate", "1"], "only draws"),
        (["sft", "--model", "m", "--learning-rate", "1e-3"], "setting 'task' is missing"),
    ],
)
def test_mistakes_are_refused_in_one_sentence_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["baseline", *arguments, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_trl_one_sentence_says_what_to_install(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tersely.baselines.trainers.importlib.util.find_spec", lambda name: None)
    assert run(root, "sft", tmp_path / "run") == 2
    assert install_command("baselines") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# --- distillation -----------------------------------------------------------------------------------------------


def demonstrations(path: Path) -> Path:
    right = [
        {"problem": f"What is {i} + {i}?", "answer": str(2 * i), "response": f"Let me check. \\boxed{{{2 * i}}}"}
        for i in range(1, 9)
    ]
    wrong = {"problem": "What is 9 + 9?", "answer": "18", "response": "\\boxed{19}"}
    path.write_text("".join(json.dumps(row) + "\n" for row in [*right, wrong]))
    return path


@pytest.mark.slow
def test_distillation_learns_the_correct_demonstrations_and_training_takes_the_result(
    root: Path, tmp_path: Path
) -> None:
    given = ["--demonstrations", str(demonstrations(tmp_path / "demo.jsonl")), "--template", "question"]
    more = ["--learning-rate", "1e-3", "--set", "run.threads=1", "--set", "sampling.max_new_tokens=12"]
    taught = tmp_path / "taught"
    assert cli.main(["distill", "--student", str(root / "model"), *given, *more, "--out", str(taught)]) == 0
    done = read_done(taught)
    assert done is not None
    assert (done["learnt_from"], done["judged"]) == (8, 9)
    train = ["--model", str(taught), "--task", str(root / "task.jsonl"), "--template", "question", "--steps", "1"]
    small = ["sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=4", "run.threads=1", "run.judge_workers=1"]
    sets = [part for setting in small for part in ("--set", setting)]
    assert cli.main(["train", *train, *sets, "--out", str(tmp_path / "trained")]) == 0


def test_bad_lines_of_demonstrations_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"problem": "q", "answer": "1", "response": "\\\\boxed{1}"}\n{"problem": "q", "answer": "1"}\n')
    with pytest.raises(UserError, match=r"bad.jsonl, line 2: the field 'response'"):
        read_demonstrations(bad)


@pytest.mark.slow
@pytest.mark.parametrize("vocabulary", ["the same", "another"])
def test_a_teachers_ids_are_kept_where_the_student_has_its_vocabulary_and_its_text_is_encoded_elsewhere(
    vocabulary: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, taught = root / "model", []
    if vocabulary == "another":
        student = make_model_folder(tmp_path / "student", texts=["quite other words, twice: quite other words"])

    def tune(method: str, model: Any, reference: Any, tokenizer: Any, examples: Any, *_: Any, **__: Any) -> int:
        taught.extend(examples)
        return 1

    monkeypatch.setattr("tersely.baselines.trainee.tune", tune)
    given = ["--teacher", str(root / "model"), "--task", str(root / "task.jsonl"), "--samples", str(root / "samples")]
    more = ["--student", str(student), "--template", "question", "--learning-rate", "1e-3"]
    more += ["--set", "tuning.lora.rank=2", "--set", "tuning.lora.targets=q_proj"]
    assert cli.main(["distill", *given, *more, "--out", str(tmp_path / "taught")]) == 0
    alone = json.loads((resolve_model(tmp_path / "taught") / "adapter/adapter_config.json").read_text())
    assert alone["base_model_name_or_path"] == str(student)  # not the teacher
    correct = [r for g in read_groups(root / "samples") for r in every_correct(g)]
    if vocabulary == "the same":
        assert [e.chosen for e in taught] == [r.tokens for r in correct]
        assert [e.prompt for e in taught] == [r.prompt_tokens for r in correct]
        return
    tokenizer = load_tokenizer(student)
    ids = [tokenizer.encode(r.text, add_special_tokens=False) for r in correct]
    assert [list(e.chosen) for e in taught] == [[*row, tokenizer.eos_token_id] for row in ids]
    assert all(e.chosen[-1] == tokenizer.eos_token_id for e in taught)
