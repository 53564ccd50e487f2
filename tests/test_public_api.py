"""The front door: what stands on it, with which signatures, and that its page is current."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tersely

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import api_docs

PARAMETERS = {
    "train": "config_or_recipe, *, model, task, alpha, out, settings, judge, sampler, callbacks, display",
    "evaluate": "model, *, task, out, size, k, max_new_tokens, temperature, top_p, seed, template, judge, "
    "drop_unjudgeable, sampler, display, effort, decoding, request, system",
    "endpoint_at": "url, model, *, options, system, completions, tokenizer, concurrency, timeout, retries, pause",
    "load_run": "path",
    "RunResult": "path, config, finished, steps, checkpoint, evaluations",
    "clustered_mean": "clusters",
    "clustered_rate": "clusters",
    "paired_difference": "base, model, rates, comparisons",
    "paired_ratio": "base, model",
    "paired_saving": "base, model",
}


def spelled(name: str) -> str:
    found = inspect.signature(getattr(tersely, name)).parameters.values()
    words: list[str] = []
    for p in found:
        if p.kind is p.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(p.name)
    return ", ".join(words)


@pytest.mark.parametrize("name", PARAMETERS)
def test_signatures_are_pinned(name: str) -> None:
    assert spelled(name) == PARAMETERS[name]


def test_every_public_name_is_there_lazily_and_documented() -> None:
    assert set(tersely._HOMES) == set(tersely.__all__) <= set(dir(tersely))
    for name in tersely.__all__:
        assert inspect.getdoc(getattr(tersely, name)), name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        tersely.trian  # noqa: B018


@pytest.mark.slow
def test_importing_the_package_and_its_light_names_loads_no_heavy_library() -> None:
    light = "tersely.Objective, tersely.Judge, tersely.Estimate, tersely.load_run, tersely.paired_saving"
    code = f"import sys, tersely; {light}; print([m for m in ('torch', 'transformers', 'sympy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_no_room_bears_the_name_of_a_public_function() -> None:
    rooms = {path.stem for path in Path(tersely.__file__).parent.iterdir()}
    assert not rooms & {"train", "evaluate", "load_run"}


def test_the_page_is_current() -> None:
    assert api_docs.PAGE.read_text(encoding="utf-8") == api_docs.page(), "run python scripts/api_docs.py"
