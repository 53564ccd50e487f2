"""Makes small logs with the library of lm-eval and the embedded reasoner: no network. ``scripts/logs lm-eval``."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import lm_eval
import yaml
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

BASE = Path(__file__).parents[2] / "src" / "tersely" / "toy" / "shipped" / "base"
SUMS = Path(__file__).parent / "sums.jsonl"


def task(**more: Any) -> dict[str, Any]:
    def regex(name: str, pattern: str) -> dict[str, Any]:
        steps = [{"function": "regex", "regex_pattern": pattern, "group_select": -1}, {"function": "take_first"}]
        return {"name": name, "filter": steps}

    return {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "sums.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["<eos>"], "max_gen_toks": 45, "do_sample": False},
        "filter_list": [regex("boxed", r"boxed\{ (\d+) \}"), regex("last", r"(\d+)")],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
        **more,
    }


def made(folder: Path, **more: Any) -> None:
    """In a place of its own, so that a log names no folder of this machine."""
    folder = folder.absolute()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        shutil.copytree(BASE, "reasoner")
        shutil.copy(SUMS, "sums.jsonl")
        Path("sums.yaml").write_text(yaml.safe_dump(task(**more)), encoding="utf-8")
        tracker = EvaluationTracker(output_path=str(folder))
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args="pretrained=reasoner,dtype=float32",
            tasks=["sums"],
            task_manager=TaskManager(include_path=".", include_defaults=False),
            device="cpu",
            batch_size=1,
            log_samples=True,
            apply_chat_template=True,
            evaluation_tracker=tracker,
            bootstrap_iters=0,
        )
        assert found is not None
        samples = found.pop("samples")
        found.pop("pretty_env_info", None)  # of this machine
        tracker.save_results_aggregated(results=found, samples=samples)
        for one, lines in samples.items():
            tracker.save_results_samples(task_name=one, samples=lines)


def main(folder: Path) -> None:
    made(folder / "base")
    made(folder / "repeated", repeats=2, generation_kwargs={
        "until": ["<eos>"], "max_gen_toks": 96, "do_sample": True, "temperature": 0.6,
    })  # fmt: skip
    made(folder / "likelihoods", output_type="multiple_choice", doc_to_choice=["so 3", "so 7"], doc_to_target="0",
         generation_kwargs=None, filter_list=None, metric_list=[{"metric": "acc"}])  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
