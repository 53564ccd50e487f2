"""TRL's own GRPOTrainer on golden groups: its ``_generate`` gives their completions, everything behind it is its own.

``torchrun --nproc-per-node 2 trl_golden.py OUT`` writes what each process found to OUT/RANK.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from golden_groups import ALPHA, CAP, PADDING, SIBLINGS, TRUNCATED, UNJUDGED, GoldenRow, golden
from tersely import Objective
from tersely.adapters.trl import LengthReward, WholeGroups
from tiny_models import make_model, make_tokenizer

END, WORD = 1, 5

SHOWN = {"paper": Objective(ALPHA), "truncation": Objective(method="truncation", settings={"limit": 300})}
FURTHER = {"acoer": Objective(method="acoer"), "arlcp": Objective(method="arlcp")}


class Trainer(WholeGroups, GRPOTrainer):
    """As one writes it."""


def trl_rows(names: list[str] | None = None) -> list[GoldenRow]:
    """TRL has whole groups alone: what a short group lacks is a row of which nobody can say anything."""
    found: list[GoldenRow] = []
    for name in names or [n for n in dict.fromkeys(row.group for row in golden()) if n != PADDING]:
        rows = golden([name])
        found += rows + [GoldenRow(name, UNJUDGED, 7, 0.0, 0.0)] * (SIBLINGS - len(rows))
    return found


def ids_of(row: GoldenRow) -> list[int]:
    return [WORD] * row.length if row.was == TRUNCATED else [WORD] * (row.length - 1) + [END]


def accuracy(completions: list[Any], score: list[float], **_: Any) -> list[float | None]:
    return [None if s < 0 else s for s in score]


def settings(**changed: Any) -> GRPOConfig:
    processes = int(os.environ.get("WORLD_SIZE", 1))
    given: dict[str, Any] = {
        "output_dir": mkdtemp(), "per_device_train_batch_size": 12 // processes, "num_generations": SIBLINGS,
        "steps_per_generation": 1, "max_completion_length": CAP, "scale_rewards": "none", "use_cpu": True,
        "bf16": False, "report_to": "none", "save_strategy": "no", "beta": 0.0, "logging_steps": 1,
        "disable_tqdm": True,
    }  # fmt: skip
    return GRPOConfig(**given | changed)


def trainer_of(objective: Objective, alone: bool = False, **changed: Any) -> GRPOTrainer:
    tokenizer = make_tokenizer()
    args = settings(**changed)
    data = Dataset.from_list([{"prompt": "What is 1+1?", "answer": "2", "problem_id": "p"}] * 4)
    common = {"model": make_model(len(tokenizer)), "args": args, "train_dataset": data, "processing_class": tokenizer}
    if alone:
        return GRPOTrainer(reward_funcs=LengthReward(objective, args, [END], accuracy), **common)
    return Trainer(reward_funcs=accuracy, objective=objective, **common)


def advantages_of(trainer: GRPOTrainer, rows: list[GoldenRow]) -> dict[str, list[float]]:
    """Of this process's share of the rows: what TRL would put into its loss, and the rewards in its log."""
    index, size = trainer.accelerator.process_index, trainer.accelerator.num_processes
    share = rows[index * len(rows) // size : (index + 1) * len(rows) // size]

    def generate(prompts: list[Any]) -> tuple[Any, ...]:
        ids = [ids_of(row) for row in share]
        texts = [trainer.processing_class.decode(row, skip_special_tokens=True) for row in ids]
        return [[4]] * len(share), ids, None, texts, None, {}, None, None

    trainer._generate = generate
    trainer.model.train()
    inputs = [{"prompt": "What is 1+1?", "score": row.score, "problem_id": row.group, "answer": ""} for row in share]
    out = trainer._generate_and_score_completions(inputs)
    rewards = list(trainer._logs["extra"]["tersely_reward"])[-len(rows) :]
    return {"advantages": out["advantages"].tolist(), "rewards": rewards}


def main() -> None:
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    found = {}
    for name, objective in {**SHOWN, **FURTHER}.items():
        trainer = trainer_of(objective)
        # Twelve rows in two processes of six: the middle one of three groups lies in both.
        found[name] = [advantages_of(trainer, trl_rows(names)) for names in THREES]
    (Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


_NAMES = list(dict.fromkeys(row.group for row in trl_rows()))
THREES = [(_NAMES + _NAMES)[i : i + 3] for i in range(0, len(_NAMES), 3)]
"""The groups by three."""

if __name__ == "__main__":
    main()
