"""What each of two and of four processes holds in an update, counted, against what the planner says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

import forked
from memory_child import measure_all
from tersely.config import TrainConfig, resolve
from tersely.plan import ModelShape, layout_of, lognormal, predict_memory
from tersely.plan.memory import Memory

SIZES = {
    "vocab_size": 1024,
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}
SCENARIOS: list[dict[str, Any]] = [
    {"learner": {"sharding": "zero3", "gradient_checkpointing": True}, "dtype": "bfloat16", "streams": False},
    {"learner": {"sharding": "zero2"}, "dtype": "bfloat16", "streams": True},
    {"learner": {"sharding": "zero3"}, "dtype": "float32", "streams": False},
]
TERMS = ("weights", "gradients", "optimizer", "reference", "copy", "gathered", "reducing")
AGREE = 0.02


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bytes") / "model"
    with torch.random.fork_rng(devices=[]):
        Qwen2ForCausalLM(Qwen2Config(**SIZES)).save_pretrained(place)
    return place


def counted(folder: Path, processes: int) -> list[list[dict[str, int]]]:
    """By scenario and rank."""
    out = folder.parent / str(processes)
    out.mkdir()
    forked.together(lambda _: measure_all(folder, SCENARIOS, out), processes)
    return [
        [json.loads((out / f"{i}.{rank}.json").read_text()) for rank in range(processes)] for i in range(len(SCENARIOS))
    ]


def planned(folder: Path, scenario: dict[str, Any], processes: int) -> Memory:
    given = {"learner": scenario["learner"], "run": {"dtype": scenario["dtype"]}}
    config: TrainConfig = resolve({"model": "m", "task": "t", **given})
    layout = replace(layout_of(config, "cpu", processes), vllm=scenario["streams"])
    shape = ModelShape.of(json.loads((folder / "config.json").read_text()))
    return predict_memory(shape, config, layout, lognormal(16, 64), 8, "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.long)])
def test_bytes_of_a_process_are_those_of_the_plan_term_by_term(folder: Path, processes: int) -> None:
    parameters = sum(p.numel() for p in Qwen2ForCausalLM(Qwen2Config(**SIZES)).parameters())
    for scenario, ranks in zip(SCENARIOS, counted(folder, processes), strict=True):
        memory = planned(folder, scenario, processes)
        for term in TERMS:
            said = getattr(memory, term)
            assert [found[term] for found in ranks] == [pytest.approx(said, rel=AGREE)] * processes, (scenario, term)
        # The first alone ever holds a whole model, in main memory, to deal it out.
        assert [found["loaded"] for found in ranks] == [4 * parameters] + [0] * (processes - 1)
