"""With the library of inspect-ai itself; run by ``scripts/logs inspect``, which makes the logs in ``TERSELY_MADE``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.solver import generate

from tersely.adapters.inspect import judge
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


def spoken(text: str) -> ModelOutput:
    """With its usage: inspect's mock model would fetch a tokenizer to count it."""
    made = ModelOutput.from_content("mockllm/model", text)
    made.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return made


def test_our_judge_scores_there_and_what_nobody_can_say_stays_unscored(tmp_path: Path) -> None:
    says = ["It is \\boxed{2}.", "It is \\boxed{3}.", "No idea.", "It is \\boxed{2}."]
    outputs = [spoken(text) for text in says]
    outputs[3].choices[0].stop_reason = "max_tokens"
    samples = [Sample(input=f"What is 1+1 ({i})?", target="2") for i in range(4)]
    model = get_model("mockllm/model", custom_outputs=outputs)
    task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=judge(workers=1))
    (log,) = eval(task, model=model, display="none", log_dir=str(tmp_path), max_samples=1, max_connections=1)
    scores = [next(iter((sample.scores or {}).values())) for sample in log.samples or []]
    assert [score.value for score in scores] == ["C", "I", "N", "N"]
    assert [score.answer for score in scores] == ["2", "3", None, None]


def test_a_verifier_grades_and_an_unjudged_answer_enters_no_metric(tmp_path: Path) -> None:
    (tmp_path / "unsure.py").write_text(
        "def unsure(problem, response):\n"
        "    if 'odd' in response:\n        raise ValueError('odd')\n"
        "    return 1.0 if problem.gold in response else 0.25\n",
        encoding="utf-8",
    )
    sys.path.insert(0, str(tmp_path))
    says = ["2", "3", "odd"]
    outputs = [spoken(text) for text in says]
    samples = [Sample(input=f"What is 1+1 ({i})?", target="2") for i in range(3)]
    model = get_model("mockllm/model", custom_outputs=outputs)
    scored_by = judge(verifier="unsure:unsure", workers=1)
    task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=scored_by, name="sums")
    (log,) = eval(task, model=model, display="none", log_dir=str(tmp_path / "logs"), max_samples=1, max_connections=1)
    values = [next(iter((sample.scores or {}).values())).value for sample in log.samples or []]
    assert values[:2] == [1.0, 0.25]
    assert isinstance(values[2], float)
    assert values[2] != values[2]
    assert log.results is not None
    assert log.results.scores[0].unscored_samples == 1
    assert log.results.scores[0].metrics["accuracy"].value == 0.625
