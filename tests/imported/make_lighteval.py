"""Makes a small log with the library of lighteval and the embedded reasoner: no network. ``scripts/logs lighteval``."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import types
from pathlib import Path

from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.models.model_input import GenerationParameters
from lighteval.models.transformers.transformers_model import TransformersModelConfig
from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters

# It would fetch a pickle from the web when it is imported, as every task is.
absent = types.ModuleType("lighteval.tasks.tasks.tiny_benchmarks")
absent.TASKS_TABLE = []  # type: ignore[attr-defined]
sys.modules[absent.__name__] = absent

HERE = Path(__file__).parent
BASE = HERE.parents[1] / "src" / "tersely" / "toy" / "shipped" / "base"
SUMS = HERE / "sums.jsonl"


def main(folder: Path) -> None:
    """In a place of its own, so that a log names no folder of this machine."""
    folder = folder.absolute()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        shutil.copytree(BASE, "reasoner")
        Path("sums").mkdir()
        shutil.copy(SUMS, "sums/test.jsonl")
        shutil.copy(HERE / "lighteval_sums.py", "lighteval_sums.py")
        pipeline = Pipeline(
            tasks="sums|0",
            pipeline_parameters=PipelineParameters(
                launcher_type=ParallelismManager.ACCELERATE,
                custom_tasks_directory="lighteval_sums.py",
                bootstrap_iters=0,
            ),
            evaluation_tracker=EvaluationTracker(output_dir="out", save_details=True),
            model_config=TransformersModelConfig(
                model_name="reasoner",
                dtype="float32",
                device="cpu",
                batch_size=1,
                override_chat_template=True,
                generation_parameters=GenerationParameters(temperature=0.0),
            ),
        )
        pipeline.evaluate()
        pipeline.save_and_push_results()
        shutil.copytree("out", folder, dirs_exist_ok=True)
    for path in folder.glob("details/**/*|*"):  # a name that not every file system takes
        path.rename(path.with_name(path.name.replace("|", "-")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
