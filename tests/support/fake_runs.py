"""Run folders as training and evaluation leave them, made of seeded noise: something for the report to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tersely.analysis import ProtocolFacts, summarise
from tersely.records import EvalRecord, Finish, Status

TASK = "arithmetic"
VERSIONS = {"tersely": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "transformers": "5.17.0"}
LENGTH = {None: 93.0, 0.0: 88.0, 0.05: 56.0, 0.1: 47.0, 0.2: 38.0, 0.4: 30.0}
ACCURACY = {None: 0.84, 0.0: 0.95, 0.05: 0.965, 0.1: 0.962, 0.2: 0.955, 0.4: 0.925}
CHECKS = {None: 1.0, 0.0: 0.8, 0.05: 0.35, 0.1: 0.22, 0.2: 0.12, 0.4: 0.05}


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def protocol(k: int, model: str) -> dict[str, Any]:
    return {
        "task": TASK,
        "task_sha256": "5d" * 32,
        "k": k,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_new_tokens": 224,
        "seed": 7,
        "template": "chat",
        "model": model,
    }


def response_text(rng: np.random.Generator, level: int, alpha: float | None, answer: str) -> str:
    """A chain of steps with as many checks as such a model would make at such a level."""
    lines, value = [], int(rng.integers(0, 10))
    for step in range(level):
        lines.append(f"{value} ({step + 1}) + {step + 2} = {(value + step + 2) % 10}")
        value = (value + step + 2) % 10
        useful = step >= 3 and alpha is not None
        for _ in range(rng.poisson(CHECKS[alpha] * (2.5 if useful else 1.0))):
            lines.append(str(rng.choice(["Wait, again: ok", "Let me check: ok", "Wait, no"])))
    if rng.random() < CHECKS[alpha] * 0.5:
        lines.append("Alternatively, another way gives the same.")
    return "\n".join([*lines, f"</think> \\boxed{{ {answer} }}"])


def make_records(alpha: float | None, seed: int, problems: int = 60, k: int = 2) -> list[EvalRecord]:
    rng = np.random.default_rng([seed, 0 if alpha is None else int(alpha * 1000) + 1])
    records = []
    for number in range(problems):
        level = number % 6 + 1
        question = f"{number % 10} + {number // 10} times {level} = ?"
        name = hashlib.sha256(question.encode()).hexdigest()[:16]
        chance = ACCURACY[alpha] - 0.02 * (level - 3.5)
        for sample in range(k):
            right = bool(rng.random() < chance)
            tokens = int(max(5, rng.gamma(12, LENGTH[alpha] * (0.35 + 0.19 * level) / 12)))
            cut = tokens > 215
            status = Status.NO_ANSWER if cut else Status.CORRECT if right else Status.WRONG
            answer = str(number % 10) if right else str((number + 1) % 10)
            text = response_text(rng, level, alpha, answer)
            finish = Finish.LENGTH if cut else Finish.EOS
            records.append(
                EvalRecord(
                    name,
                    question,
                    str(number % 10),
                    str(level),
                    sample,
                    status,
                    right and not cut,
                    min(tokens, 215),
                    finish,
                    None if cut else answer,
                    text,
                )
            )
    return records


def journal(alpha: float, seed: int, steps: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng([seed, 99, int(alpha * 1000)])
    rows = []
    for step in range(1, steps + 1):
        progress = 1 - np.exp(-step / 15)
        length = LENGTH[None] + (LENGTH[alpha] - LENGTH[None]) * progress + rng.normal(0, 3)
        accuracy = min(1.0, ACCURACY[None] + (ACCURACY[alpha] - ACCURACY[None]) * progress + rng.normal(0, 0.015))
        rows.append(
            {
                "step": step, "event": "STEP", "problems": 32, "responses": 256, "accuracy": accuracy,
                "reward": accuracy * (1 - alpha / 2), "length": length, "length_correct": length - 3,
                "length_wrong": None if step % 9 == 0 else length + 20, "truncated": max(0.0, 0.05 * (1 - progress)),
                "no_answer": 0.01, "unjudged": 0.0, "groups_all_correct": 0.5, "groups_all_wrong": 0.02,
                "groups_dropped": 0.0, "kl": None if step == 1 else 0.05 * progress + abs(rng.normal(0, 0.004)),
                "entropy": 0.35 - 0.2 * progress + rng.normal(0, 0.01), "clip_fraction": 0.01, "grad_norm": 0.4,
                "logprob_gap_mean": 1e-6, "logprob_gap_max": 1e-5, "loss": -0.01, "learning_rate": 1e-3,
                "response_tokens": int(length * 256),
            }
        )  # fmt: skip
    return rows


def clock(steps: int) -> list[dict[str, Any]]:
    row = {"sample_s": 0.5, "judge_s": 0.01, "reference_s": 0.1, "update_s": 0.6, "save_s": 0.02, "step_s": 1.23}
    return [{"step": step, **row, "tokens_per_s": 40000.0} for step in range(1, steps + 1)]


def write_evaluation(run: Path, records: Sequence[EvalRecord], k: int, task: str = TASK) -> None:
    folder = run / "evaluation" / task
    write_jsonl(folder / "responses.jsonl", [record.to_json() for record in records])
    rules = {**protocol(k, str(run)), "task": task}
    summary = {
        "protocol": rules,
        "versions": VERSIONS,
        "command": f"tersely evaluate {run.name} --k {k}",
        "summary": summarise(records, ProtocolFacts.from_json(rules)).to_json(),
    }
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def make_base(root: Path, seed: int = 0, name: str = "base", k: int = 2, problems: int = 60) -> Path:
    run = root / name
    run.mkdir(parents=True)
    settings = {"kind": "base", "tersely": "0.1.0", "config": {"seed": seed}}
    (run / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    write_evaluation(run, make_records(None, seed, problems, k), k)
    return run


def make_run(
    root: Path,
    base: Path,
    alpha: float,
    seed: int = 0,
    steps: int = 40,
    k: int = 2,
    problems: int = 60,
    **objective: Any,
) -> Path:
    run = root / "-".join([f"alpha-{alpha:g}", f"seed-{seed}", *map(str, objective.values())])
    run.mkdir(parents=True)
    goal = {"alpha": alpha, "method": "paper", "advantage": "rloo", "normalize": "none", **objective}
    settings = {"model": str(base), "seed": seed, "objective": goal, "steps": steps, "prompts": 32, "samples": 8}
    document = {"kind": "train", "tersely": "0.1.0", "config": settings}
    (run / "config.json").write_text(json.dumps(document), encoding="utf-8")
    write_jsonl(run / "journal.jsonl", journal(alpha, seed, steps))
    write_jsonl(run / "clock.jsonl", clock(steps))
    write_evaluation(run, make_records(alpha, seed + 10 + 50 * len(objective), problems, k), k)
    return run


def make_family(
    root: Path, alphas: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.4), **more: Any
) -> tuple[Path, list[Path]]:
    base = make_base(root, k=more.get("k", 2), problems=more.get("problems", 60))
    return base, [make_run(root, base, alpha, **more) for alpha in alphas]


def write_variant(run: Path, name: str, records: list[EvalRecord], **rules: Any) -> None:
    """An evaluation folder ``name`` under a protocol that differs in ``rules``."""
    folder = run / "evaluation" / name
    rule = {**protocol(2, str(run)), "task": name.split("@")[0], **rules}
    write_jsonl(folder / "responses.jsonl", [record.to_json() for record in records])
    document = {"protocol": rule, "versions": VERSIONS, "command": f"tersely evaluate {run.name}",
                "summary": summarise(records, ProtocolFacts.from_json(rule)).to_json()}  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(document), encoding="utf-8")


OLD = "dpo"
"""The method whose clock is from before response tokens were counted by themselves."""


def make_baseline(root: Path, base: Path, method: str, rate: float, alike: float, cost: tuple[int, int, float]) -> Path:
    """A baseline run of such (tokens sampled, tokens trained, seconds) that answers as the family's ``alike`` does."""
    run = root / f"{method}-{rate:g}"
    run.mkdir()
    config = {"model": str(base), "seed": 0, "samples_seed": 0, "method": method, "tuning": {"learning_rate": rate}}
    (run / "config.json").write_text(json.dumps({"kind": "baseline", "tersely": "0.1.0", "config": config}))
    sampled = {"step": 0, "sample_s": 4.0, "step_s": 4.5, "tokens_sampled": cost[0], "tokens_trained": 0}
    tuned = {"step": 1, "step_s": cost[2] - 4.5, "tokens_sampled": 0, "tokens_trained": cost[1] + 7777}
    if method != OLD:
        tuned["response_tokens_trained"] = cost[1]
    write_jsonl(run / "clock.jsonl", [sampled, tuned])
    write_evaluation(run, make_records(alike, 77), 2)
    return run
