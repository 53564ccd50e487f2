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
