"""The frontier of all objectives: every setting trains, budgets match, and the gap to the line is plain arithmetic."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import objectives
import objectives_page
from objectives_frontier import ALONG, BELOW, BEYOND, LOST, MISSING, MOVES, Frontier, Measured, gap_by_problem, mean
from objectives_records import STEP, lost_at, lost_runs, member
from objectives_table import CAP, SETTINGS, Setting
from packed import PROBLEM, RESPONSE, Records, write_csv

from tersely.errors import UserError
from tersely.learn.run_setup import refuse_settings
from tersely.objective.methods import METHODS
from tersely.pipelines.variants import RunPlan
from tersely.runs import disk

SEEDS, PROBLEMS = (0, 1, 2), 200


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_a_run_that_training_accepts(setting: Setting) -> None:
    config = RunPlan("base", "arithmetic", "arithmetic", "tiny", None, 0, 600, 2, (), Path("out")).config(
        objectives.variant(setting)
    )
    refuse_settings(config)
    assert config.sampling.n * config.sampling.prompts == 256
    assert config.sampling.max_new_tokens <= CAP


def test_every_objective_has_a_setting_but_those_that_ask_for_a_length() -> None:
    methods = {one.objective or one.method for one in SETTINGS}
    assert set(METHODS) - methods == {"l1-exact", "l1-max"}
    assert len({one.name for one in SETTINGS}) == len(SETTINGS)


def test_an_unknown_objective_and_a_base_that_is_not_there_are_said() -> None:
    with pytest.raises(UserError, match="did you mean 'laser'"):
        objectives.chosen(["lasre"])
    with pytest.raises(UserError, match="there is no base at"):
        objectives.Frontier(Path("out"), Path("nowhere"), (0,), SETTINGS).look()


STEPS = 20
KEPT, GONE = [0.9] * STEPS, [0.9] * 12 + [0.46, 0.4, 0.5] + [0.0] * 5
"""Accuracy by step of a run that kept its model, and of one that lost it in step 14."""


def made_run(run: Path, tokens: int, seconds: float, accuracy: Sequence[float | None] = KEPT, every: int = 5) -> None:
    """A finished run of so many tokens and seconds a step."""
    run.mkdir(parents=True)
    steps = len(accuracy)
    journal = [
        {"step": s, "response_tokens": tokens, "accuracy": right, "length": 40.0, "truncated": 0.0}
        for s, right in enumerate(accuracy, 1)
    ]
    clock = [{"step": s, "step_s": 2 * seconds, "cpu_s": seconds} for s in range(1, steps + 1)]
    for name, lines in (("journal", journal), ("clock", clock)):
        (run / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in range(every, steps + 1, every):
        (run / f"checkpoints/step-{step:06d}").mkdir(parents=True)
    disk.write_json_atomic(run / "done.json", {})


def test_of_each_run_the_last_checkpoint_within_the_least_that_any_spent(tmp_path: Path) -> None:
    some = objectives.chosen(["paper-0.1", "laser", "kimi-0.4"])
    frontier = objectives.Frontier(tmp_path, tmp_path, (0,), some)
    for name, tokens, seconds in (("paper-0.1", 100, 1.0), ("laser", 70, 3.0), ("kimi-0.4", 400, 1.5)):
        made_run(tmp_path / "seed-0" / name, tokens, seconds)
    within = objectives.budgets(frontier, None, None)
    assert within == {"tokens": 1400, "seconds": 20.0}
    assert objectives.steps_within(frontier, within) == {
        (0, "paper-0.1"): {"tokens": 10, "seconds": 20},
        (0, "laser"): {"tokens": 20, "seconds": 5},
        (0, "kimi-0.4"): {"tokens": 0, "seconds": 10},
    }
    assert objectives.budgets(frontier, 500, None) == {"tokens": 500, "seconds": 20.0}
    (base, *rest) = frontier.measure({(0, "laser"): [5, 20], (0, "kimi-0.4"): [0, 10]})
    assert base.commands[0].arguments[1] == str(tmp_path / "seed-0/base")
    assert [chain.commands[0].arguments[1:3] for chain in rest] == [
        tuple(str(tmp_path / f"seed-0/laser/checkpoints/step-{step:06d}") for step in (5, 20)),
        (str(tmp_path / "seed-0/kimi-0.4/checkpoints/step-000010"), "--task"),
    ]


@pytest.mark.parametrize(
    ("accuracy", "step"),
    [
        (KEPT, None),
        (GONE, 14),
        ([0.9] * 10 + [0.1] * 5 + [0.9] * 5, None),  # came back
        ([0.9] * 15 + [0.45] * 5, None),  # half is not below half
        ([None, *GONE[:14], None, *GONE[14:]], 15),  # steps without an answer that could be judged say nothing
        ([0.0] * 12, None),  # had none to lose
        ([None] * 12, None),
        ([], None),
    ],
)
def test_a_run_lost_its_model_where_its_end_is_below_half_of_its_start(
    tmp_path: Path, accuracy: Sequence[float | None], step: int | None
) -> None:
    made_run(tmp_path / "run", 100, 1.0, accuracy)
    assert lost_at(tmp_path / "run") == step


def test_every_run_goes_on_to_its_end_and_no_budget_is_taken_from_a_model_that_is_lost(tmp_path: Path) -> None:
    frontier = objectives.Frontier(tmp_path, tmp_path, (0,), objectives.chosen(["laser", "o1-pruner"]))
    config = frontier.plan(0).config(objectives.variant(frontier.settings[0]))
    assert (config.health["accuracy_floor"], config.health["length_collapse"]) == ("warn", "warn")
    assert config.run.all_wrong_stop == 0
    made_run(tmp_path / "seed-0/o1-pruner", 10, 0.1, GONE)
    with pytest.raises(SystemExit, match="lost its model, so none says what to match: state --tokens and --seconds"):
        objectives.budgets(frontier, 500, None)
    assert objectives.budgets(frontier, 500, 2) == {"tokens": 500, "seconds": 2}
    made_run(tmp_path / "seed-0/laser", 70, 3.0)
    within = objectives.budgets(frontier, None, None)
    assert within == {"tokens": 1400, "seconds": 60}
    at = objectives.steps_within(frontier, within)
    assert at[0, "o1-pruner"] == {"tokens": 20, "seconds": 20}
    assert lost_runs(tmp_path, at) == {"seed-0/o1-pruner": 14}


def model(accuracy: float, tokens: float) -> Measured:
    rng = np.random.default_rng(0)
    right = rng.permutation(np.arange(PROBLEMS) < accuracy * PROBLEMS)
    lengths = tokens + rng.permutation(np.linspace(-5, 5, PROBLEMS))
    names = [str(i) for i in range(PROBLEMS)]
    return Measured(
        dict(zip(names, map(float, right), strict=True)), dict(zip(names, map(float, lengths), strict=True))
    )


def test_the_gap_is_the_height_above_the_line_between_the_neighbours() -> None:
    line = [model(0.8, 20.0), model(0.9, 30.0), model(0.95, 50.0)]
    gap = gap_by_problem(model(0.95, 35.0), line)
    assert gap is not None
    assert mean(gap.values()) == pytest.approx(0.95 - (0.9 + 0.05 * 5 / 20))
    assert gap_by_problem(model(0.9, 19.0), line) is None
    assert gap_by_problem(model(0.9, 51.0), line) is None


FAMILY = {"paper-0": (0.9, 50.0), "paper-0.1": (0.8, 40.0), "paper-0.2": (0.7, 30.0), "paper-0.4": (0.6, 20.0)}


def made_records(folder: Path, points: dict[str, tuple[float, float]], **more: Any) -> Records:
    """(accuracy, tokens) by name, of each of three seeds and 200 problems, by chance; ``more`` for runs.json."""
    folder.mkdir()
    write_csv(folder / "problems.csv.gz", PROBLEM, [(i, f"p{i}", None) for i in range(PROBLEMS)])
    steps = [(0, run, step, 1000 * step, 0.5 * step, 1, 0.9, 30, 0) for run in ("a", "b") for step in (1, 2)]
    write_csv(folder / "steps.csv.gz", STEP, [*steps, (1, "a", 2, 9000, 3, 1, 0.9, 30, 0)])
    for seed in SEEDS:
        rng, rows = np.random.default_rng(seed), []
        for name, (accuracy, tokens) in points.items():
            for i in range(PROBLEMS):
                status = "CORRECT" if rng.random() < accuracy else "WRONG"
                rows.append((member(name, 5), i, 0, round(tokens + rng.normal()), status, "eos", 0, "0"))
        write_csv(folder / f"responses-seed-{seed}.csv.gz", RESPONSE, rows)
    told = {
        "commit": None, "versions": {}, "machine": "m", "budgets": {"tokens": 1000, "seconds": 50},
        "protocol": {"size": PROBLEMS, "k": 1, "temperature": 0.6, "max_new_tokens": CAP},
        "steps": {f"seed-{s}/{name}": {"tokens": 5, "seconds": 5} for s in SEEDS for name in points}, **more,
    }  # fmt: skip
    (folder / "runs.json").write_text(json.dumps(told))
    return Records(folder)


@pytest.mark.slow
def test_the_page_says_which_move_the_frontier_and_which_move_along_it(tmp_path: Path) -> None:
    points = {
        **FAMILY, "laser": (0.99, 35.0), "hapo": (0.75, 35.0), "gr3-0.33": (0.4, 35.0), "leash": (0.5, 10.0),
    }  # fmt: skip
    records = made_records(tmp_path / "records", points)
    frontier = Frontier(records, "tokens")
    words = {setting.name: frontier.gap(setting).words for setting in frontier.others}
    assert words == {"laser": MOVES, "hapo": ALONG, "gr3-0.33": BELOW, "leash": BEYOND}
    objectives_page.write_page(tmp_path / "records", tmp_path / "results")
    page = (tmp_path / "results/objectives.md").read_text()
    up = "- Move the frontier up: above the paper's line in every seed, and over problems beyond the interval: `laser`."
    assert up in page
    assert page.count("| `laser` | 5, 5, 5 |") == 2
    assert "(2,000 to 3,000 sampled tokens a CPU second)" in page
    assert (tmp_path / "results/objectives.png").stat().st_size > 10_000


def test_without_the_family_the_page_says_that_there_is_no_line(tmp_path: Path) -> None:
    records = made_records(tmp_path / "records", {"paper-0": (0.9, 50.0), "laser": (0.9, 35.0)})
    assert "there is no line to compare with" in objectives_page.page(records)


def test_a_lost_model_is_listed_as_lost_whatever_its_tokens_and_is_no_part_of_the_line(tmp_path: Path) -> None:
    points = {**FAMILY, "o1-pruner": (0.0, 2.0), "kimi-0.4": (0.01, 35.0), "leash": (0.5, 10.0), "hapo": (0.9, 45.0)}
    lost = {"seed-1/o1-pruner": 4, "seed-2/kimi-0.4": 5, "seed-2/paper-0.4": 3, "seed-0/hapo": 6}
    records = made_records(tmp_path / "records", points, lost=lost)
    frontier = Frontier(records, "tokens")
    words = {setting.name: frontier.gap(setting).words for setting in frontier.others}
    assert words == {"o1-pruner": LOST, "kimi-0.4": LOST, "leash": BEYOND, "hapo": MOVES}  # hapo's was lost later
    assert [one.name for one in frontier.family] == ["paper-0", "paper-0.1", "paper-0.2"]
    page = objectives_page.page(records)
    assert page.count("`o1-pruner` lost its model on seed 1: ") == 1
    assert "began with in step 4, and ended below it." in page
    [line] = {line for line in page.splitlines() if line.startswith("- Lose the model in some seed")}
    assert line.endswith(": `kimi-0.4`, `o1-pruner`.")
    [row] = {line for line in page.splitlines() if line.startswith("| `o1-pruner` | 5, 5, 5")}
    assert row.endswith("| lost its model |")
    drawn = {label for axes in objectives_page.draw(records).axes for label in axes.get_legend_handles_labels()[1]}
    assert drawn == {"paper, by alpha", "leash", "hapo"}
    assert "left out of the figure, whose scale it would spoil, where it was lost within the budget." in page


def test_a_page_is_made_where_every_run_lost_its_model(tmp_path: Path) -> None:
    lost = {f"seed-{seed}/{run}": 1 for seed in SEEDS for run in ("paper-0", "a", "b")}
    records = made_records(tmp_path / "records", {"paper-0": (0.0, 2.0)}, lost=lost)
    assert "differs from run to run (no run kept its model)" in objectives_page.page(records)


def test_a_method_that_is_not_measured_in_every_seed_is_not_said_to_spend_too_much(tmp_path: Path) -> None:
    records = made_records(tmp_path / "records", {**FAMILY, "laser": (0.9, 35.0)})
    del records.about["steps"]["seed-1/laser"]
    [laser] = Frontier(records, "tokens").others
    assert Frontier(records, "tokens").gap(laser).words == MISSING
    assert "- Not measured in every seed yet: `laser`." in objectives_page.page(records)
    assert "lost its model" not in objectives_page.page(records)


@pytest.mark.long
def test_the_committed_page_is_made_from_the_committed_records() -> None:
    made = objectives_page.page(Records(objectives_page.RECORDS))
    assert made == (objectives_page.RESULTS / "objectives.md").read_text(encoding="utf-8")
