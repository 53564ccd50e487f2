"""With the library of inspect-ai itself; run by ``scripts/logs inspect``, which makes the logs in ``TERSELY_MADE``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from inspect_ai.log import EvalLog, read_eval_log

from tersely.imported.as_ours import as_ours
from tersely.imported.formats import read_log

MADE = Path(os.environ["TERSELY_MADE"])
FINISHED = [path for path in sorted(MADE.glob("*.*")) if path.stem not in ("stopped", "two_scorers")]


def the_log(path: Path) -> EvalLog:
    return read_eval_log(str(path))


@pytest.mark.parametrize("path", FINISHED, ids=lambda path: path.name)
def test_its_own_accuracy_is_reproduced_exactly(path: Path) -> None:
    theirs = the_log(path)
    assert theirs.results is not None
    (score,) = theirs.results.scores
    found = as_ours(read_log(path), None, None, None).as_logged
    assert found.accuracy == score.metrics["accuracy"].value
    assert found.of_scores == score.metrics["accuracy"].value


@pytest.mark.parametrize("path", FINISHED, ids=lambda path: path.name)
def test_tokens_and_texts_are_those_that_it_holds(path: Path) -> None:
    samples = the_log(path).samples or []
    records = as_ours(read_log(path), None, None, None).records
    assert len(samples) == len(records)
    counted = sum(sum(usage.output_tokens for usage in sample.model_usage.values()) for sample in samples)
    assert sum(record.tokens for record in records) == counted
    thought = sum(sum(usage.reasoning_tokens or 0 for usage in sample.model_usage.values()) for sample in samples)
    assert sum(record.thinking_tokens or 0 for record in records) == thought
    said = {sample.output.completion for sample in samples}
    assert all(any(record.text.endswith(text) for record in records) for text in said)
