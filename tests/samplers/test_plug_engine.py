"""An engine is one file and one line: a toy in ten lines, by its line or by its module, and what is refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tersely.cli import main
from tersely.config import SamplingConfig, resolve
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import read_responses
from tersely.evaluation.run import evaluate
from tersely.learn.memory import cure
from tersely.plan.checks import check_plan
from tersely.records import Finish, Rollout
from tersely.runs.identity import read_own_config
from tersely.samplers import EngineSpec, Prompt, Sampler, SamplerRequest, Sampling
from tersely.samplers.engines import ENGINES, find_engine, make_sampler, require_engine, resolve_engine
from tiny_models import make_model, make_model_folder, make_task, make_tokenizer
from training import QUIET

# --- the toy ----------------------------------------------------------------------------------------------------


class Parrot:
    """Answers every prompt with its own first token."""

    def __init__(self, request: SamplerRequest) -> None:
        self.version, self.tokenizer = 0, request.tokenizer

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, *_: Any) -> list[Rollout]:
        return [
            Rollout(p.problem_id, i, p.tokens, p.tokens[:1], None, "\\boxed{42}", Finish.EOS, self.version)
            for p in prompts
            for i in range(p.first_sample, p.first_sample + sampling.n)
        ]

    def load_weights(self, model: Any, version: int) -> None:
        self.version = version

    def close(self) -> None:
        pass


PARROT = EngineSpec(Parrot, memory_cure=lambda phase, _: "sampling.max_new_tokens=7" if phase == "updating" else None)
OWN = f"{__name__}:PARROT"


def made(engine: str, monkeypatch: pytest.MonkeyPatch) -> Sampler:
    monkeypatch.setitem(ENGINES, "parrot", OWN)
    tokenizer = make_tokenizer()
    settings = SamplingConfig(engine=engine)
    return make_sampler(settings, make_model(len(tokenizer)), tokenizer, Path(), torch.float32)


@pytest.mark.parametrize("name", ["parrot", OWN])
def test_a_toy_engine_samples_by_its_line_or_by_its_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = made(name, monkeypatch)
    sampler.load_weights(None, 3)
    rollouts = sampler.generate([Prompt("a", (7, 8), first_sample=1)], Sampling(n=2, max_new_tokens=4))
    assert [(r.index, r.tokens, r.policy_version) for r in rollouts] == [(1, (7,), 3), (2, (7,), 3)]


def test_a_toy_engine_evaluates_a_model_and_is_named_where_results_are_kept(tmp_path: Path) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    protocol = EvalProtocol(task=str(task), size=None, k=2, max_new_tokens=8)
    folder = evaluate(model, protocol, tmp_path / "out", QUIET, command="", engine=OWN)
    assert [r.tokens for r in read_responses(folder)] == [1] * 8
    assert read_own_config(folder).config["engine"] == OWN


def test_the_cures_for_lack_of_memory_are_those_of_the_engine_in_use() -> None:
    learner = {"token_budget": 8, "gradient_checkpointing": True}
    config = resolve({"model": "m", "task": "t", "sampling": {"engine": OWN}, "learner": learner})
    assert cure("updating", config) == "use --set sampling.max_new_tokens=7"
    assert cure("sampling", config) == "use --set sampling.max_rows=128"


# --- ours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_line_names_an_engine(name: str) -> None:
    assert find_engine(name).make is not None
    require_engine(name)


def test_auto_takes_vllm_on_a_gpu_that_has_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for installed in (True, False):
        monkeypatch.setattr(
            "tersely.samplers.vllm.find_spec", lambda name, there=installed: object() if there else None
        )
        assert resolve_engine("auto", "cuda") == ("vllm" if installed else "transformers")
        assert resolve_engine("auto", "cpu") == "transformers"
        assert resolve_engine("vllm", "cpu") == "vllm"
        assert resolve_engine("transformers", "cuda") == "transformers"


@pytest.mark.slow
def test_asking_for_names_imports_neither_torch_nor_an_engine() -> None:
    code = (
        "import sys, tersely.samplers; from tersely.samplers.engines import require_engine;"
        "require_engine('auto'); require_engine('vllm');"
        "print(*[m for m in ('torch', 'transformers', 'vllm', 'tersely.samplers.vllm') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# --- what is refused --------------------------------------------------------------------------------------------


class Mute:
    def generate(self) -> None: ...

    def close(self) -> None: ...


MUTE = EngineSpec(lambda request: Mute())  # type: ignore[arg-type,return-value]
NARROW = EngineSpec(lambda: Mute())  # type: ignore[arg-type,misc,return-value]


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("vlm", r"unknown engine 'vlm' \(did you mean 'vllm'\?\); choose one of auto, vllm, transformers"),
        ("no_such_module:SPEC", "cannot be imported .ModuleNotFoundError"),
        (f"{__name__}:NONE", "cannot be imported .AttributeError"),
        (f"{__name__}:", "not of the form package.module:Name"),
        (f"{__name__}:Parrot", "is of type type, not EngineSpec"),
        (f"{__name__}:NARROW", r"must take \(request\), and it does not"),
    ],
)
def test_what_is_no_engine_is_refused_in_a_sentence_before_anything_is_loaded(engine: str, words: str) -> None:
    config = resolve({"model": "m", "task": "t", "sampling": {"engine": engine}})
    with pytest.raises(UserError, match=words):
        resolve_engine(engine, "cpu")
    (reason,) = check_plan(config, {})
    with pytest.raises(UserError) as refused:
        require_engine(engine)
    assert str(refused.value) == reason
    assert "\n" not in reason


@pytest.mark.parametrize("verb", ["train", "evaluate", "faithfulness"])
def test_the_command_line_refuses_an_unknown_engine_and_writes_nothing(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = str(make_model_folder(tmp_path / "model")), tmp_path / "out"
    task = ["--task", str(make_task(tmp_path / "task.jsonl", 32)), "--out", str(out)]
    words = ["--model", model, "--set", "sampling.engine=vlm"] if verb == "train" else [model, "--engine", "vlm"]
    assert main([verb, *words, *task]) == 2
    assert "unknown engine 'vlm' (did you mean 'vllm'?)" in capsys.readouterr().err
    assert not out.exists()


def test_a_sampler_that_lacks_a_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="made a Mute, which has no method load_weights"):
        made(f"{__name__}:MUTE", monkeypatch)


def test_settings_that_name_a_module_do_not_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may come out of a run folder: reading them must run nothing."""
    (tmp_path / "planted_engine.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.util.find_spec("planted_engine")
    config = resolve({"model": "m", "task": "t", "sampling": {"engine": "planted_engine:SPEC"}})
    assert config.sampling.engine == "planted_engine:SPEC"
    assert "planted_engine" not in sys.modules
