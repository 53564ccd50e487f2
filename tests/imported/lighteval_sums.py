"""A task of lighteval: the sums that the embedded reasoner adds. Named by ``make_lighteval.py`` as a custom task."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetric
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod


class Boxed(SampleLevelComputation):
    def compute(self, doc: Doc, model_response: Any, **_: Any) -> float:
        found = re.findall(r"boxed\{ (\d+) \}", model_response.text[0])
        return float(found[-1:] == doc.get_golds()[:1])


def prompt(line: dict[str, Any], task_name: str) -> Doc:
    return Doc(task_name=task_name, query=line["question"], choices=[line["answer"]], gold_index=0)


def task(name: str, samples: list[int] | None, size: int) -> LightevalTaskConfig:
    boxed = SampleLevelMetric(
        metric_name="boxed",
        higher_is_better=True,
        category=SamplingMethod.GENERATIVE,
        sample_level_fn=Boxed(),
        corpus_level_fn=np.mean,
    )
    return LightevalTaskConfig(
        name=name,
        prompt_function=prompt,
        hf_repo="sums",
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        metrics=[boxed],
        generation_size=size,
        num_samples=samples,
        version=1,
    )


TASKS_TABLE = [task("sums", None, 45)]
