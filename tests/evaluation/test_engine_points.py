"""An engine under options of its own is a point of its own, beside the model as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tersely.rollouts as rollouts
from graders import ParityJudge
from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.samplers import EngineSpec, SamplerRequest
from tersely.samplers.base import EngineTraits
from tersely.samplers.transformers import TransformersSampler
from tiny_models import make_model_folder, make_task

GIVEN: list[Mapping[str, Any]] = []


def read(options: Mapping[str, Any]) -> EngineTraits:
    if set(options) - {"cache"}:
        raise UserError("the toy knows no such option")
    return EngineTraits(f"cache = {options['cache']}")


def make(request: SamplerRequest) -> TransformersSampler:
    GIVEN.append(request.settings.engine_options)
    return TransformersSampler(request.model, request.tokenizer, max_rows=request.settings.max_rows)


TOY = EngineSpec(make, read_options=read)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(rollouts, "Judge", ParityJudge)
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    words = ["evaluate", str(model), "--task", str(task), "--max-new-tokens", "20", "--template", "question"]
    return [*words, "--engine", f"{__name__}:TOY", "--out", str(tmp_path / "out")]


def test_options_reach_the_engine_and_name_what_was_measured(asked: list[str], tmp_path: Path) -> None:
    assert main(asked) == 0
    assert main([*asked, "--engine-option", "cache={bits=8}"]) == 0
    assert GIVEN[-2:] == [{}, {"cache": {"bits": 8}}]
    plain, point = sorted((tmp_path / "out" / "model").iterdir())
    assert point.name == "task@cache--bits-8-"
    assert read_evaluation(point).protocol.request == "cache={bits=8}"
    assert read_evaluation(plain).protocol.request is None
    assert json.loads((point / "config.json").read_text())["config"]["request"] == "cache={bits=8}"


def test_the_order_of_options_means_nothing(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.TOY", EngineSpec(make, read_options=lambda options: EngineTraits()))
    for options in (["a=1", "b=2"], ["b=2", "a=1"]):
        assert main([*asked, *(word for one in options for word in ("--engine-option", one))]) == 0
    (point,) = (tmp_path / "out" / "model").iterdir()
    assert read_evaluation(point).protocol.request == "a=1 b=2"


@pytest.mark.parametrize("verb", ["faithfulness", "profile"])
def test_hints_and_profiles_take_options_as_points_of_their_own(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"problem": f"Where is {i}?", "choices": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(3)]
    task = tmp_path / "choices.jsonl"
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [verb, str(make_model_folder(tmp_path / "model")), "--task", str(task), "--max-new-tokens", "8", "--k", "1"]
    words += ["--engine", f"{__name__}:TOY", "--engine-option", "cache=8", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert GIVEN[-1] == {"cache": 8}
    (place,) = (tmp_path / "out" / "model").iterdir()
    assert place.name.startswith("choices@cache-8")
    assert json.loads((place / "summary.json").read_text())["protocol"]["request"] == "cache=8"
    assert main([*words, "--engine-option", "cache=9"]) == 2
    assert "cache is given twice" in capsys.readouterr().err
    # As it is by one engine, the folder is not gone on with by another.
    plain = [word for word in words if word not in ("--engine-option", "cache=8")]
    assert main(plain) == 0
    at = plain.index("--engine")
    assert main([*plain[:at], *plain[at + 2 :]]) == 2
    assert "engine" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--engine-option", "cache=8"], ["--engine", "vllm"]])
def test_a_server_has_an_engine_of_its_own(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--task", "arithmetic", "--out", "ev"]
    assert main([*words, *given]) == 2
    assert f"{given[0]} is of an engine here, and a server has its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [("cache", "is not of the form KEY=VALUE"), ("colour=1", "the toy knows no such option")],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_written(
    option: str, words: str, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, "--engine-option", option]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
