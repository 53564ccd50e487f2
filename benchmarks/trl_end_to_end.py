"""The same training in TRL's GRPOTrainer, through our adapter, and in our own learner, over several seeds.

    python benchmarks/trl_end_to_end.py --bases runs/compare --out runs/trl       # seed-N/base below --bases

Both sides: the quickstart's recipe from the same base of each seed, alpha 0.2, 60 iterations of 32 problems x 8
responses, two gradient steps each, no KL (TRL has it in the loss alone), the same judge; the held-out problems are
measured by ``tersely evaluate``. Draws and the order of problems differ, so that the two sides are compared by what
they do to tokens and accuracy, with t intervals over the seeds. Resumable: run it again and finished work is left as it
is; a TRL run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

ALPHA, PROMPTS, SIBLINGS, CAP, UPDATES = 0.2, 32, 8, 320, 2
SIZE, K = 1200, 2
ASKED = ("--task", "arithmetic", "--k", str(K), "--size", str(SIZE), "--threads", "1", "--max-new-tokens", str(CAP),
         "--template", "question")  # fmt: skip
SIDES = ("tersely", "trl")


@dataclass(frozen=True)
class Place:
    """Where one seed's files are."""

    bases: Path
    out: Path
    seed: int

    @property
    def base(self) -> Path:
        return self.bases / f"seed-{self.seed}" / "base"

    @property
    def native(self) -> Path:
        return self.out / f"seed-{self.seed}" / "tersely"

    @property
    def trl(self) -> Path:
        """Whole once training has ended: an ordinary model folder."""
        return self.out / f"seed-{self.seed}" / "trl"

    @property
    def evaluations(self) -> Path:
        return self.out / f"seed-{self.seed}" / "evaluations"


def tersely(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "tersely", *map(str, words)], check=True)


def train_native(place: Place, steps: int) -> None:
    settings = ("learner.kl_coefficient=0", f"run.steps={steps}")
    sets = [word for one in settings for word in ("--set", one)]
    tersely(
        "train", "tiny", "--model", place.base, "--alpha", ALPHA, "--seed", place.seed, "--out", place.native, *sets
    )


def trl_settings(place: Place, steps: int) -> Any:
    """The quickstart's recipe (recipes/tiny.toml) in TRL's words."""
    from trl import GRPOConfig

    return GRPOConfig(
        output_dir=str(place.trl.with_name("trl-checkpoints")),
        per_device_train_batch_size=PROMPTS * SIBLINGS // UPDATES, steps_per_generation=UPDATES,
        num_generations=SIBLINGS, max_completion_length=CAP, max_steps=steps * UPDATES, temperature=1.0,
        learning_rate=1e-3, lr_scheduler_type="constant_with_warmup", warmup_steps=5, adam_beta1=0.9, adam_beta2=0.95,
        adam_epsilon=1e-4, weight_decay=0.0, max_grad_norm=1.0, scale_rewards="none", loss_type="grpo", beta=0.0,
        epsilon=0.2, use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none", disable_tqdm=True,
        save_strategy="steps", save_steps=10 * UPDATES, save_total_limit=2, logging_steps=UPDATES, seed=place.seed,
    )  # fmt: skip


def train_trl(place: Place, steps: int) -> None:
    if place.trl.is_dir():
        return
    import torch
    from datasets import Dataset
    from transformers.trainer_utils import get_last_checkpoint
    from trl import GRPOTrainer

    from tersely import Objective
    from tersely.adapters.trl import Accuracy, WholeGroups, rows
    from tersely.models.locate import locate_model
    from tersely.tasks import load_task

    class Trainer(WholeGroups, GRPOTrainer):
        """GRPOTrainer with our credit."""

    torch.set_num_threads(1)
    settings, model = trl_settings(place, steps), locate_model(str(place.base))
    trainer = Trainer(
        model=str(model),
        args=settings,
        train_dataset=Dataset.from_list(rows(load_task("arithmetic", "train", 3200), "question")),
        reward_funcs=Accuracy(),
        objective=Objective(ALPHA),
    )
    begun = Path(settings.output_dir)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(begun) if begun.is_dir() else None)
    beside = place.trl.with_name("trl.tmp")
    trainer.save_model(str(beside))
    beside.rename(place.trl)


def evaluate(place: Place) -> None:
    tersely("evaluate", place.native, *ASKED)
    for model in (place.base, place.trl):
        tersely("evaluate", model, *ASKED, *(() if model == place.base else ("--out", place.evaluations)))


def measured(folder: Path) -> dict[str, float]:
    """Tokens and accuracy of an evaluation."""
    summary = json.loads((folder / "summary.json").read_text())["summary"]["overall"]
    return {name: float(summary[name]["value"]) for name in ("tokens", "accuracy")}


def effects(place: Place) -> dict[str, dict[str, float]]:
    """Side -> tokens saved (percent) and accuracy gained (points), against the base of the same seed."""
    folders = {
        "base": place.base / "evaluation" / "arithmetic",
        "tersely": place.native / "evaluation" / "arithmetic",
        "trl": place.evaluations / "trl" / "arithmetic",
    }
    found = {name: measured(folder) for name, folder in folders.items()}
    base = found["base"]
    return {
        side: {
            "saved": 100 * (1 - found[side]["tokens"] / base["tokens"]),
            "gained": 100 * (found[side]["accuracy"] - base["accuracy"]),
            **found[side],
        }
        for side in SIDES
    }


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean with its 95 % t interval over seeds, two at least."""
    taken = np.array(values)
    reach = stdtrit(len(taken) - 1, 0.975) * taken.std(ddof=1) / np.sqrt(len(taken))
    return float(taken.mean()), float(taken.mean() - reach), float(taken.mean() + reach)


def page(found: dict[int, dict[str, dict[str, float]]], steps: int) -> str:
    """The table over seeds, and whether the intervals of the two sides overlap."""
    lines = ["| seed | side | tokens | saved, % | accuracy, % | change, points |", "|---|---|---:|---:|---:|---:|"]
    for seed, sides in found.items():
        for side, row in sides.items():
            numbers = f"{row['tokens']:.1f} | {row['saved']:.1f} | {100 * row['accuracy']:.1f} | {row['gained']:+.1f}"
            lines.append(f"| {seed} | {side} | {numbers} |")
    said = []
    for name, what in (("saved", "tokens saved, %"), ("gained", "change of accuracy, points")):
        if len(found) < 2:
            continue
        bounds = {side: interval([sides[side][name] for sides in found.values()]) for side in SIDES}
        shown = "; ".join(f"{side} {mean:.1f} [{low:.1f}, {high:.1f}]" for side, (mean, low, high) in bounds.items())
        (_, low, high), (_, other_low, other_high) = bounds.values()
        overlap = "overlap" if low <= other_high and other_low <= high else "do not overlap"
        said.append(f"- {what}: {shown}: the intervals {overlap}")
    head = [
        "# The objective in TRL and in our own learner",
        "",
        f"{date.today()}, {', '.join(f'{name} {version(name)}' for name in ('trl', 'transformers', 'torch'))}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores. Command: `python benchmarks/trl_end_to_end.py --bases "
        f"runs/compare --steps {steps}`.",
        "",
        f"{steps} iterations of {PROMPTS} problems x {SIBLINGS} responses from the same base of each seed, alpha "
        f"{ALPHA}, no KL; {SIZE} held-out problems, {K} responses each. Intervals: 95 % t over {len(found)} seeds.",
        "",
    ]
    return "\n".join([*head, *lines, "", *said]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bases", type=Path, required=True, help="folder with seed-N/base")
    parser.add_argument("--out", type=Path, default=Path("runs/trl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "trl_end_to_end.md")
    args = parser.parse_args()
    found = {}
    for seed in args.seeds:
        place = Place(args.bases, args.out, seed)
        place.native.parent.mkdir(parents=True, exist_ok=True)
        train_native(place, args.steps)
        train_trl(place, args.steps)
        evaluate(place)
        found[seed] = effects(place)
    (args.out / "found.json").write_text(json.dumps(found, indent=1) + "\n")
    args.results.write_text(page(found, args.steps))
    print(page(found, args.steps))


if __name__ == "__main__":
    main()
