"""Samples drawn where the model is served: the ids that were sampled are kept, and another model is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from graders import ParityJudge
from stand_in import serving
from tersely.baselines.kept import read_samples
from tersely.cli import main
from tersely.models.end_tokens import end_tokens_of
from tersely.models.load import load_model, load_tokenizer
from tersely.records import Finish
from tersely.runs.folder import read_config, read_done
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task

Ids = Callable[[dict[str, Any]], tuple[list[int], list[float], str]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    for seed, name in enumerate(("model", "other")):
        make_model_folder(place / name, seed=seed)
    make_task(place / "task.jsonl", count=5)
    return place


@pytest.fixture(autouse=True)
def here(folders: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model", "other", "task.jsonl"):
        Path(name).symlink_to(folders / name)
    for name in ("TERSELY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)  # a random model never answers


def sampling_from(folder: str) -> Ids:
    """What vLLM does with a request: draws from the model, and says of each token how probable it was."""
    model = load_model(Path(folder), torch.device("cpu"), torch.float32)
    ends = end_tokens_of(Path(folder), load_tokenizer(Path(folder)))

    def answer(body: dict[str, Any]) -> tuple[list[int], list[float], str]:
        drawn, ids, said = torch.Generator().manual_seed(body["seed"]), list(body["prompt"]), []
        while len(said) < body["max_tokens"]:
            with torch.no_grad():
                logprobs = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            ids.append(int(torch.multinomial(logprobs.exp(), 1, generator=drawn)))
            said.append(float(logprobs[ids[-1]]))
            if ids[-1] in ends:
                return ids[-len(said) :], said, "stop"
        return ids[-len(said) :], said, "length"

    return answer


def asked(url: str, *more: str) -> list[str]:
    words = ["baseline", "samples", "--model", "model", "--endpoint", url, "--served-as", "stand-in", "--n", "4"]
    sets = [f"--set={one}" for one in ("sampling.max_new_tokens=24", "run.judge_workers=1", "run.device=cpu")]
    return [*words, "--task", "task.jsonl", "--template", "question", "--out", "samples", *sets, *more]


@pytest.mark.slow
def test_the_ids_that_the_server_sampled_are_what_a_baseline_learns_from() -> None:
    with serving(ids=sampling_from("model")) as (url, manners):
        assert main(asked(url)) == 0
        asked_for = len(manners.bodies)
        assert main(asked(url)) == 0  # nothing is lacking
        assert len(manners.bodies) == asked_for + 1
    assert {body.get("top_k", -1) for body in manners.bodies} == {-1}
    found = read_samples(Path("samples"))
    ends = end_tokens_of(Path("model"), load_tokenizer(Path("model")))
    rollouts = [rollout for group in found.groups for rollout in group.rollouts]
    assert len(rollouts) == 5 * 4
    assert {r.finish for r in rollouts} == {Finish.EOS, Finish.LENGTH}
    for rollout in rollouts:
        assert rollout.logprobs is not None
        assert len(rollout.logprobs) == len(rollout.tokens) == rollout.length
        assert (rollout.tokens[-1] in ends) == (rollout.finish is Finish.EOS)
        assert rollout.text == load_tokenizer(Path("model")).decode(rollout.tokens, skip_special_tokens=True)
    assert read_config(Path("samples"))["endpoint"]["reported"] == "stand-in-0801"
    assert Path("samples/replies.jsonl").read_text() == ""
    trained = ["baseline", "o1-pruner", "--samples", "samples", "--learning-rate", "1e-3", "--out", "pruned"]
    assert main([*trained, "--set=run.device=cpu", "--set=run.judge_workers=1"]) == 0
    assert read_done(Path("pruned")) is not None


@pytest.mark.slow
def test_a_server_that_dies_loses_no_sample() -> None:
    draws = sampling_from("model")
    with serving(ids=draws, fail=lambda number: "400" if number > 8 else None) as (url, _):
        assert main(asked(url, "--concurrency", "1")) == 2
    kept = len(read_log(Path("samples/replies.jsonl")))
    assert kept == 6  # the look and two to compare came before
    with serving(ids=draws) as (url, manners):
        assert main(asked(url)) == 0
        assert len(manners.bodies) == 3 + 20 - kept


def miscounting() -> Ids:
    draws = sampling_from("model")

    def answer(body: dict[str, Any]) -> tuple[list[int], list[float], str]:
        ids, said, finish = draws(body)
        return ids, said[:-1], finish

    return answer


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (lambda: None, "gives no ids of the tokens that it samples"),
        (miscounting, "gives no ids of the tokens that it samples"),
        (lambda: sampling_from("other"), "does not sample from this qwen2 model"),
        (lambda: lambda body: ([7], [-0.1], "stop"), "none of the model's end tokens"),
        (lambda: lambda body: ([7, 10**6], [-0.1, -0.1], "length"), "samples token 1000000, and the model of --model"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    ids: Callable[[], Ids | None], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(ids=ids()) as (url, _):
        assert main(asked(url)) == 2
    said = capfd.readouterr().err
    assert words in said
    assert not Path("samples").exists()


def test_a_folder_that_is_served_under_another_name_is_told_which(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as (url, _):
        words = ["--model", str(Path("model").resolve()), "--endpoint", url, "--task", "task.jsonl", "--out", "samples"]
        assert main(["baseline", "samples", *words]) == 2
    assert "that it serves with --model (baseline samples: --served-as): stand-in" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sft", "--endpoint", "http://127.0.0.1:1/v1", "--learning-rate", "1e-5"], "only those come from a server"),
        (["samples", "--served-as", "x"], "--served-as speaks of a server"),
        (["samples", "--concurrency", "3"], "--concurrency speaks of a server"),
        (["samples", "--endpoint", "http://127.0.0.1:1/v1"], "no server answers at http://127.0.0.1:1/v1"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", *words, "--model", "model", "--task", "task.jsonl", "--out", "out"]) == 2
    err = capfd.readouterr().err
    assert said in err
    assert err.strip().count("\n") == 0
    assert not Path("out").exists()
