"""The same training in TRL's GRPOTrainer, through our adapter, and in our own learner, over several seeds.

    python benchmarks/trl_end_to_end.py --bases runs/compare --out runs/trl       # seed-N/base below --bases

Both sides: the quickstart's recipe from the same base of each seed, alpha 0.2, 60 iterations of 32 problems x 8
responses, two gradient steps each, no KL (TRL has it in the loss alone), the same judge; the held-out problems are
measured by ``tersely evaluate``. Draws and the order of problems differ, so that the two sides are compared by what
they do to tokens and accuracy, seed by seed, with intervals over problems, and over the seeds with t intervals.
Resumable: run it again and finished work is left as it is; a TRL run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from tersely.analysis.paired import compare_paired
from tersely.analysis.records import PairedBlock
from tersely.analysis.summary import summarise
from tersely.evaluation.records import read_evaluation
from tersely.records import Estimate

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


@dataclass(frozen=True)
class Found:
    """One seed: each side against the base, and TRL against ours, on the same problems."""

    against_base: Mapping[str, PairedBlock]
    tokens: Mapping[str, float]
    accuracy: Mapping[str, float]
    between: PairedBlock


def effects(place: Place) -> Found:
    folders = {
        "base": place.base / "evaluation" / "arithmetic",
        "tersely": place.native / "evaluation" / "arithmetic",
        "trl": place.evaluations / "trl" / "arithmetic",
    }
    read = {name: read_evaluation(folder) for name, folder in folders.items()}
    records = {name: one.responses() for name, one in read.items()}
    summaries = {name: summarise(records[name], read[name].protocol).overall for name in SIDES}
    return Found(
        {side: compare_paired(records["base"], records[side]).overall for side in SIDES},
        {side: one.tokens.value for side, one in summaries.items()},
        {side: one.accuracy.value for side, one in summaries.items()},
        compare_paired(records["tersely"], records["trl"]).overall,
    )


def shown(estimate: Estimate | None, digits: int = 1) -> str:
    """In percent or points, with its 95 % interval."""
    assert estimate is not None
    ends = f" [{100 * estimate.low:+.{digits}f}, {100 * estimate.high:+.{digits}f}]" if estimate.low is not None else ""
    return f"{100 * estimate.value:+.{digits}f}{ends}"


def overlap(one: Estimate | None, other: Estimate | None) -> bool:
    assert one is not None
    assert other is not None
    return one.low <= other.high and other.low <= one.high


def by_seeds(what: str, values: Mapping[str, Sequence[float]]) -> str:
    """Mean and t interval of each side over its seeds, two at least."""
    said, ends = [], []
    for side, of_seeds in values.items():
        taken = 100 * np.array(of_seeds)
        reach = stdtrit(len(taken) - 1, 0.975) * taken.std(ddof=1) / np.sqrt(len(taken))
        ends.append((taken.mean() - reach, taken.mean() + reach))
        said.append(f"{side} {taken.mean():.1f} [{ends[-1][0]:.1f}, {ends[-1][1]:.1f}]")
    (low, high), (other_low, other_high) = ends
    words = "overlap" if low <= other_high and other_low <= high else "do not overlap"
    return f"- {what}: {'; '.join(said)}: the intervals {words}"


def page(found: Mapping[int, Found], steps: int) -> str:
    """The table by seed, and whether the intervals of the two sides overlap."""
    lines = ["| seed | side | tokens | saved, % | accuracy, % | change, points |", "|---|---|---:|---:|---:|---:|"]
    for seed, one in found.items():
        for side, block in one.against_base.items():
            numbers = f"{one.tokens[side]:.1f} | {shown(block.token_saving)} | {100 * one.accuracy[side]:.1f}"
            lines.append(f"| {seed} | {side} | {numbers} | {shown(block.accuracy_difference)} |")
    lines += ["", "TRL minus ours, on the same problems:", ""]
    lines += [
        "| seed | tokens, % of ours | accuracy, points | saved: intervals | change: intervals |",
        "|---|---:|---:|---|---|",
    ]
    words = {True: "overlap", False: "do not overlap"}
    for seed, one in found.items():
        ours, theirs = (one.against_base[side] for side in SIDES)
        saved = words[overlap(ours.token_saving, theirs.token_saving)]
        gained = words[overlap(ours.accuracy_difference, theirs.accuracy_difference)]
        assert one.between.token_saving is not None
        less = one.between.token_saving
        more = replace(less, value=-less.value, low=-less.high, high=-less.low)
        lines.append(f"| {seed} | {shown(more)} | {shown(one.between.accuracy_difference)} | {saved} | {gained} |")
    if len(found) > 1:
        blocks = {side: [one.against_base[side] for one in found.values()] for side in SIDES}
        saved = {side: [b.token_saving.value for b in of_it if b.token_saving] for side, of_it in blocks.items()}
        gained = {
            side: [b.accuracy_difference.value for b in of_it if b.accuracy_difference]
            for side, of_it in blocks.items()
        }
        lines += ["", f"Over the {len(found)} seeds, 95 % t (so few are worth it only if they fall normally):", ""]
        lines += [by_seeds("tokens saved, %", saved), by_seeds("change of accuracy, points", gained)]
    head = [
        "# The objective in TRL and in our own learner",
        "",
        f"{date.today()}, {', '.join(f'{name} {version(name)}' for name in ('trl', 'transformers', 'torch'))}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores. Command: `python benchmarks/trl_end_to_end.py --bases "
        f"runs/compare --steps {steps}`.",
        "",
        f"{steps} iterations of {PROMPTS} problems x {SIBLINGS} responses from the same base of each seed, alpha "
        f"{ALPHA}, no KL; {SIZE} held-out problems, {K} responses each. Intervals of a seed: 95 % over its problems.",
        "",
    ]
    return "\n".join([*head, *lines]) + "\n"


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
    args.results.write_text(page(found, args.steps))
    print(page(found, args.steps))


if __name__ == "__main__":
    main()
