"""Options of an engine by its own names: which are taken, what they make of it, and what training does about it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tersely.adapters.recipe import OF_ANY_ENGINE
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.config import SamplingConfig, assemble
from tersely.errors import UserError
from tersely.facts import Facts
from tersely.learn.correction import corrected, correction_notice
from tersely.learn.loop import train
from tersely.learn.parallel import World
from tersely.learn.run_setup import require_work_for_all
from tersely.models.agreement import Truth
from tersely.samplers import EngineSpec, SamplerRequest
from tersely.samplers.base import EngineTraits
from tersely.samplers.engine_check import LESS_PRECISE, check_engine
from tersely.samplers.engines import make_sampler, read_options
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.vllm_options import less_precise
from tiny_models import make_model, make_model_folder, make_task, make_tokenizer
from training import QUIET

# --- a toy engine with two options, and our own sampler behind it -----------------------------------------------


def read(options: Mapping[str, Any]) -> EngineTraits:
    if unknown := set(options) - {"bits", "together"}:
        raise UserError(f"the toy knows no {unknown.pop()}")
    return EngineTraits(f"bits = {options['bits']}" if "bits" in options else None, options.get("together", 1))


class Coarse(TransformersSampler):
    """Reports log-probabilities that are a little off, as an engine with rounded weights does."""

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        found = super().generate(*args, **kwargs)
        return [dataclasses.replace(r, logprobs=tuple(x - 0.05 for x in r.logprobs or ())) for r in found]


def make_coarse(request: SamplerRequest) -> Coarse:
    assert set(request.settings.engine_options) <= {"bits", "together"}
    return Coarse(request.model, request.tokenizer, max_rows=request.settings.max_rows)


TOY = EngineSpec(make_coarse, read_options=read)
OWN = f"{__name__}:TOY"


def test_options_say_what_they_make_of_an_engine() -> None:
    assert read_options(OWN, {}) == EngineTraits()
    assert read_options(OWN, {"bits": 4}) == EngineTraits("bits = 4")
    assert Facts.of(OWN, "cpu", options={"together": 2}).traits.processes == 2
    with pytest.raises(UserError, match="the toy knows no color"):
        Facts.of(OWN, "cpu", options={"color": 1})


def test_an_engine_without_options_refuses_them_by_name() -> None:
    with pytest.raises(UserError, match="transformers has no options, so kv_cache_dtype means nothing to it"):
        read_options("transformers", {"kv_cache_dtype": "fp8"})


def test_option_that_is_unknown_ends_the_command_before_anything_is_loaded(tmp_path: Path) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    (model / "model.safetensors").unlink()
    given = {"model": str(model), "task": str(task)}
    config = assemble("tiny", given, [f"sampling.engine={OWN}", "sampling.engine_options.color=1"])
    with pytest.raises(UserError, match="the toy knows no color"):
        train(config, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_option_that_is_unknown_ends_the_drawing_of_samples_too(tmp_path: Path) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    sampling = {"engine": OWN, "engine_options": {"color": 1}, "n": 2, "max_new_tokens": 8}
    config = resolve_samples({"model": str(model), "task": str(task), "template": "question", "sampling": sampling})
    with pytest.raises(UserError, match="the toy knows no color"):
        draw_samples(config, tmp_path / "samples", QUIET)
    together = config.model_copy(
        update={"sampling": config.sampling.model_copy(update={"engine_options": {"together": 2}})}
    )
    with pytest.raises(UserError, match="one engine takes 2 processes together"):
        draw_samples(together, tmp_path / "samples", QUIET)
    assert not (tmp_path / "samples").exists()


def test_an_engine_is_never_started_under_options_that_nobody_looked_at() -> None:
    tokenizer = make_tokenizer()
    settings = SamplingConfig(engine=OWN, engine_options={"color": 1})
    with pytest.raises(UserError, match="the toy knows no color"):
        make_sampler(settings, make_model(len(tokenizer)), tokenizer, Path(), torch.float32)


# --- importance weights where the engine is less precise, and only there ----------------------------------------


def learner(*settings: str) -> Any:
    given = ["learner.old_logprobs=trainer", *settings]
    return assemble("tiny", {"model": "m", "task": "t"}, given).learner


ROUNDED = EngineTraits("bits = 4")


def test_the_cap_is_on_by_default_for_a_less_precise_engine_alone() -> None:
    assert corrected(learner(), EngineTraits()).importance_cap is None
    assert corrected(learner(), ROUNDED).importance_cap == 2.0
    assert corrected(learner("learner.importance_cap=5"), ROUNDED).importance_cap == 5.0
    # There the ratio of the loss starts from the engine's own probabilities.
    assert corrected(learner("learner.old_logprobs=sampler"), ROUNDED).importance_cap is None


def test_a_correction_that_nobody_asked_for_is_said() -> None:
    assert correction_notice(learner(), EngineTraits()) is None
    assert correction_notice(learner("learner.importance_cap=5"), ROUNDED) is None
    said = correction_notice(learner(), ROUNDED)
    assert said is not None
    assert "bits = 4" in said
    assert "at most 2 (learner.importance_cap)" in said


@pytest.mark.parametrize(("options", "weighed"), [([], False), (["sampling.engine_options.bits=4"], True)])
def test_a_run_with_a_rounded_engine_weighs_its_tokens(options: list[str], weighed: bool, tmp_path: Path) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    given = {"model": str(model), "task": str(task)}
    short = ["sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.steps=1", "run.all_wrong_stop=0"]
    short += ["learner.old_logprobs=trainer"]
    engine = OWN if weighed else "transformers"
    train(assemble("tiny", given, [*short, f"sampling.engine={engine}", *options]), tmp_path / "run", QUIET)
    step = json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[0])
    assert ("importance_mean" in step) is weighed
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept["config"]["sampling"].get("engine_options") == ({"bits": 4} if weighed else None)
    if weighed:
        # The engine says .05 nats less of each token than the model: exp(.05).
        assert step["importance_mean"] == pytest.approx(1.0513, abs=1e-3)


def test_a_rounded_engine_may_be_further_from_the_model_but_is_still_compared() -> None:
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer))
    engine = Coarse(model, tokenizer, max_rows=8)
    with pytest.raises(UserError, match="does not sample from this"):
        check_engine("toy", engine, Truth(model))
    assert check_engine("toy", engine, Truth(model), less_precise=True).bound == LESS_PRECISE


# --- processes that decode together -----------------------------------------------------------------------------


def test_processes_that_decode_together_have_the_same_share_and_count_once() -> None:
    items = list(range(10))
    worlds = [World(rank, 4) for rank in range(4)]
    shares = [world.share(items, 2) for world in worlds]
    assert shares == [[0, 2, 4, 6, 8], [0, 2, 4, 6, 8], [1, 3, 5, 7, 9], [1, 3, 5, 7, 9]]
    assert worlds[0].merge(shares, 2) == items
    assert worlds[0].merge([world.share(items) for world in worlds]) == items


def test_processes_that_cannot_be_grouped_are_refused() -> None:
    config = assemble("tiny", {"model": "m", "task": "t"}, ["sampling.prompts=2", "learner.updates=1"])
    require_work_for_all(config, World(0, 4), 2)
    with pytest.raises(UserError, match="one engine takes 2 processes together"):
        require_work_for_all(config, World(), 2)
    with pytest.raises(UserError, match="leaves some of 4 processes without a problem"):
        require_work_for_all(config, World(0, 8), 2)


# --- vLLM's own, with its engine arguments in a stand-in -------------------------------------------------------


@dataclasses.dataclass
class EngineArgs:
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    tensor_parallel_size: int = 1
    speculative_config: Any = None


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm.engine.arg_utils")
    module.EngineArgs = EngineArgs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", module)
    monkeypatch.setattr("tersely.samplers.vllm_options.import_vllm", lambda: None)


@pytest.mark.usefixtures("vllm")
def test_vllm_takes_what_its_engine_arguments_have() -> None:
    ngram = {"method": "ngram", "num_speculative_tokens": 3}
    assert read_options("vllm", {"speculative_config": ngram}) == EngineTraits()
    assert read_options("vllm", {"kv_cache_dtype": "fp8", "tensor_parallel_size": 2}) == EngineTraits(
        "kv_cache_dtype = fp8", 2
    )


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("kv_cache_type", "vLLM knows no option 'kv_cache_type' \\(did you mean 'kv_cache_dtype'\\?\\)"),
        ("gpu_memory_utilization", "is the setting sampling.engine_memory here"),
        ("trust_remote_code", "no code that comes with a model is run"),
        ("load_format", "weights are handed over in memory"),
    ],
)
def test_vllm_options_that_cannot_be_given_are_refused(option: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_options("vllm", {option: 1})


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize("together", [0, "two", 1.5, True])
def test_number_of_processes_must_be_one(together: Any) -> None:
    with pytest.raises(UserError, match="no number of processes"):
        read_options("vllm", {"tensor_parallel_size": together})


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, None),
        ({"quantization": None}, None),
        ({"quantization": "fp8"}, "quantization = fp8"),
        ({"kv_cache_dtype": "bfloat16"}, None),
        ({"kv_cache_dtype": "fp8_e5m2"}, "kv_cache_dtype = fp8_e5m2"),
        ({"speculative_config": {"method": "ngram"}}, None),
    ],
)
def test_what_is_less_precise_than_the_model(options: dict[str, Any], found: str | None) -> None:
    assert less_precise(options) == found


def test_engines_of_others_have_their_own_names_for_options() -> None:
    rule = next(rule for rule in OF_ANY_ENGINE if rule.key == "sampling.engine_options")
    config = assemble("tiny", {"model": "m", "task": "t"}, ["sampling.engine_options.quantization=fp8"])
    with pytest.raises(UserError, match="cannot be had in verl: it has its own names"):
        rule.refuse("verl", config)


def test_settings_keep_options_by_name() -> None:
    assert SamplingConfig().engine_options == {}
    config = assemble(
        "tiny", {"model": "m", "task": "t"}, ["sampling.engine_options.speculative_config={method='ngram'}"]
    )
    assert config.sampling.engine_options == {"speculative_config": {"method": "ngram"}}


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="'cuda:2' is not there: this torch sees cuda:0, cuda:1"):
        Facts.of("transformers", "cuda:2")
