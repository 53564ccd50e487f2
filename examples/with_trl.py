"""The objective inside TRL's GRPOTrainer, a few steps on the base that ships with tersely: pip install 'tersely[trl]'.

python examples/with_trl.py            # one process; or torchrun --nproc-per-node 2 examples/with_trl.py
"""

import sys

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from tersely import Objective
from tersely.adapters.trl import Accuracy, WholeGroups, rows
from tersely.tasks import load_task
from tersely.toy.shipped import SHIPPED_BASE


class Trainer(WholeGroups, GRPOTrainer):
    """GRPOTrainer with our credit: groups are scored whole, wherever their rows are."""


if __name__ == "__main__":
    settings = GRPOConfig(
        output_dir="runs/with-trl", max_steps=int(sys.argv[1]) if len(sys.argv) > 1 else 4, learning_rate=1e-3,
        per_device_train_batch_size=32, steps_per_generation=2, num_generations=8, max_completion_length=128,
        scale_rewards="none", loss_type="grpo", beta=0.0, use_cpu=True, bf16=False, gradient_checkpointing=False,
        report_to="none", save_strategy="no", logging_steps=1,
    )  # fmt: skip
    problems = Dataset.from_list(rows(load_task("arithmetic", "train", 64), template="question"))
    given = {"model": str(SHIPPED_BASE), "args": settings, "train_dataset": problems}
    Trainer(reward_funcs=Accuracy(), objective=Objective(0.2), **given).train()
