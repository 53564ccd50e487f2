"""Everything of an evaluation but generation, on 3,119 responses: written to benchmarks/results/evaluate.md.

Run: python benchmarks/evaluate.py [--no-write]. The real `tersely evaluate --suite paper --sets gsm8k,math500,aime2024`
runs in this process on real problems (TERSELY_DATA), with a sampler that hands out prepared responses: lengths are
log-normal about the means that arXiv 2502.04463 gives for its 7B base (1547, 4086 and 12837 tokens), and the share that
is right is its accuracy. Then the same for a second, shorter model, and the tables with aggregate and AES.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from tersely.cli import main as tersely  # noqa: E402
from tersely.records import Finish, Problem, Rollout  # noqa: E402
from tersely.samplers import Prompt, Sampling  # noqa: E402
from tersely.tasks import load_task  # noqa: E402
from tiny_models import make_model_folder, make_tokenizer  # noqa: E402

DATA = Path(os.environ.get("TERSELY_DATA", ROOT.parent / "shared" / "data"))
FILES = {"gsm8k": "gsm8k_test.jsonl", "math500": "math500.jsonl", "aime2024": "aime2024.jsonl"}
TOKENS = {"gsm8k": 1547, "math500": 4086, "aime2024": 12837}
ACCURACY = {"gsm8k": 0.92, "math500": 0.932, "aime2024": 0.563}
K = {"gsm8k": 1, "math500": 3, "aime2024": 10}
CAP = 32768
CHARS_A_TOKEN = 3
"""Of reasoning in English and LaTeX, about."""
Made = dict[str, list[tuple[str, int, Finish]]]
WHAT = {
    "base": "load, render, judge, store, summarise and print one model",
    "shorter": "the same for a second, shorter model, then differences, ratios, aggregate and AES",
}
PHRASES = ["Wait, ", "Let me check: ", "Alternatively, ", "Actually, ", "Hmm, so ", "Therefore ", "First, ", "So "]


def responses(
    name: str, problems: Sequence[Problem], shorter: float, seed: int
) -> dict[str, list[tuple[str, int, Finish]]]:
    """Problem id -> (text, tokens, finish) of its k responses."""
    rng, draws = random.Random(seed), np.random.default_rng(seed)
    sentences = [s for p in problems for s in p.question.replace("\n", " ").split(". ") if len(s) > 20]
    made: Made = {}
    for problem in problems:
        for _ in range(K[name]):
            tokens = int(min(CAP, shorter * TOKENS[name] * draws.lognormal(-0.32, 0.8)) + 20)
            thought, size = [], 0
            while size < tokens * CHARS_A_TOKEN:
                thought.append(f"{rng.choice(PHRASES)}{rng.choice(sentences)} = {rng.randint(1, 999)}. ")
                size += len(thought[-1])
            right = rng.random() < ACCURACY[name]
            answer = problem.answer if right else rng.choice(problems).answer
            cut = tokens >= CAP
            tail = "" if cut else f"\n</think>\nThe final answer is $\\boxed{{{answer}}}$."
            entry = ("".join(thought) + tail, tokens, Finish.LENGTH if cut else Finish.EOS)
            made.setdefault(problem.id, []).append(entry)
    return made


class Prepared:
    """A sampler that hands out what was prepared."""

    def __init__(self, made: Made, tokenizer: Any) -> None:
        self.made, self.end = made, tokenizer.convert_tokens_to_ids("</think>")

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, on_progress: Any, on_finish: Any = None) -> Any:
        rollouts = []
        for prompt in prompts:
            for i, (text, count, finish) in enumerate(self.made[prompt.problem_id]):
                ids = (5,) * (count - 20) + (self.end,) + (5,) * 19 if finish is Finish.EOS else (5,) * count
                rollouts.append(Rollout(prompt.problem_id, i, prompt.tokens, ids, None, text, finish, 0))
                if on_finish is not None:
                    on_finish(rollouts[-1])
        return rollouts

    def close(self) -> None:
        return None


def make_reasoner(folder: Path, seed: int) -> None:
    """A model folder whose tokenizer has the end of thinking as one token, as those of the R1 models do."""
    make_model_folder(folder, seed=seed)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["</think>"])  # the model has a row to spare
    tokenizer.save_pretrained(folder)


def run(folder: Path, models: Sequence[str], made: Made) -> tuple[float, float]:
    """(wall seconds, seconds of CPU in this process) of one `tersely evaluate` over the three sets."""
    command = ["evaluate", *(str(folder / m) for m in models), "--suite", "paper", "--out", str(folder / "out")]
    command += ["--sets", ",".join(FILES), "--threads", "1"]
    for name, file in FILES.items():
        command += ["--data", f"{name}={DATA / file}"]
    prepared = mock.patch(
        "tersely.evaluation.run.make_sampler", lambda settings, model, tokenizer, *rest: Prepared(made, tokenizer)
    )
    started, spent = time.perf_counter(), time.process_time()
    with prepared, mock.patch("tersely.evaluation.run.require_room"):
        if tersely(command) != 0:
            raise SystemExit("the evaluation failed")
    return time.perf_counter() - started, time.process_time() - spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args()
    sets = {name: load_task(str(DATA / file), "held_out", None) for name, file in FILES.items()}
    seconds = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for place_in_row, name in enumerate(("base", "shorter")):
            make_reasoner(folder / name, place_in_row)
        for seed, (models, factor) in enumerate(((["base"], 1.0), (["base", "shorter"], 0.6))):
            made = {pid: r for name, ps in sets.items() for pid, r in responses(name, ps, factor, seed).items()}
            seconds[models[-1]] = run(folder, models, made)
        size = sum(path.stat().st_size for path in (folder / "out" / "base").rglob("responses.jsonl"))
    count = sum(len(sets[name]) * k for name, k in K.items())
    lines = [
        "# Evaluation without generation, measured",
        "",
        f"{datetime.date.today()}, Python {platform.python_version()}, numpy {version('numpy')}, scipy "
        f"{version('scipy')}, math-verify {version('math-verify')}, {os.cpu_count()} cores, load of the machine "
        f"{os.getloadavg()[0]:.1f}. Command: `python benchmarks/evaluate.py`.",
        "",
        f"{count:,} prepared responses ({size / 1e6:.0f} MB) to GSM8K (k 1), MATH500 (k 3) and AIME 2024 (k 10), with",
        "the lengths and accuracies that arXiv 2502.04463 gives for its 7B base; the real command, only the sampler is",
        "replaced.",
        "Goal 60 s, aim 15 s.",
        "",
        "| what | wall seconds | CPU seconds of the process |",
        "|---|---:|---:|",
        *(f"| {what} | {seconds[name][0]:.1f} | {seconds[name][1]:.1f} |" for name, what in WHAT.items()),
        "",
        f"Largest resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB (torch included).",
    ]
    print("\n".join(lines))
    if not args.no_write:
        (ROOT / "benchmarks" / "results" / "evaluate.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
