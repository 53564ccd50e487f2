"""A sweep is a product of runs that training accepts; whatever cannot work is said before the first begins."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import forked
import tersely
from pages import blank_figures
from tersely.cli import build_parser
from tersely.commands.settings import training_config
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.learn.lora_files import FOLDER, WEIGHTS, adapter_of
from tersely.pipelines import cost
from tersely.pipelines.chain import Command, CommandChain, Runner
from tersely.pipelines.selection import Selection, Vary, by_objective, split_values
from tersely.pipelines.sweep import MARK, serve_line
from tersely.pipelines.variants import RunPlan, Variant, chains, plan_of, without
from tersely.stop import StopRequest
from tersely.toy.shipped import SHIPPED_BASE

OWN = "toy_methods:Flat"


def plan(out: Path = Path("out"), **changes: Any) -> RunPlan:
    return plan_of(str(SHIPPED_BASE), "arithmetic", out, **changes)


def configs(selection: Selection, some: RunPlan) -> dict[str, TrainConfig]:
    """Name -> configuration, as the command of each run says it."""
    found = {}
    for chain in chains(selection.variants({}), some):
        args = build_parser().parse_args(chain.commands[0].arguments)
        found[Path(args.out).name] = training_config(args)
    return found


def test_the_product_has_a_run_for_each_combination_and_one_for_an_objective_without_alpha() -> None:
    vary = (Vary.read("learner.lora.rank=4,8"),)
    found = configs(Selection(("paper", "linear", "laser"), (0.0, 0.2), (0, 3), vary), plan())
    priced = [f"{name}-alpha-{alpha}" for name in ("paper", "linear") for alpha in ("0", "0.2")]
    runs = [f"rank-{rank}-seed-{seed}" for rank in (4, 8) for seed in (0, 3)]
    assert list(found) == [f"{name}-{run}" for name in (*priced, "laser") for run in runs]
    one = found["linear-alpha-0.2-rank-8-seed-3"]
    assert (one.objective.method, one.objective.alpha, one.seed) == ("linear", 0.2, 3)
    assert one.learner.lora is not None
    assert one.learner.lora.rank == 8
    assert found["laser-rank-4-seed-0"].objective.alpha is None


def test_alpha_is_the_usual_one_where_nothing_says_another_and_stands_in_the_name() -> None:
    assert list(configs(Selection(("paper", "kimi")), plan())) == ["paper-alpha-0.1-seed-0", "kimi-alpha-0.4-seed-0"]
    l1 = Selection(("l1-exact",)).variants({"l1-exact": 0.01})
    assert [variant.name for variant in l1] == ["l1-exact-alpha-0.01-seed-0"]


def test_settings_of_one_objective_leave_the_others_alone() -> None:
    own = by_objective(["laser:objective.settings.target=160", "kimi:objective.alpha=0.3", "kimi:sampling.n=16"])
    found = configs(Selection(("paper", "kimi", "laser"), (0.1, 0.2), own=own), plan())
    assert list(found) == [
        "paper-alpha-0.1-seed-0", "paper-alpha-0.2-seed-0", "kimi-alpha-0.3-seed-0", "laser-seed-0"
    ]  # fmt: skip
    assert dict(found["laser-seed-0"].objective.settings) == {"target": 160}
    assert [config.sampling.n for config in found.values()] == [8, 8, 16, 8]


def test_values_may_hold_commas_and_runs_stay_apart_by_name() -> None:
    assert split_values('[1,2],"a,b",c') == ["[1,2]", '"a,b"', "c"]
    two = (Vary.read("learner.betas=[0.9,0.95],[0.9,0.99]"), Vary.read("learner.loss=ppo_clip,x.y:z"))
    names = [variant.name for variant in Selection(("paper",), vary=two).variants({})]
    assert names[:2] == [
        "paper-alpha-0.1-betas-0.9-0.95-loss-ppo_clip-seed-0", "paper-alpha-0.1-betas-0.9-0.95-loss-x.y-z-seed-0"
    ]  # fmt: skip
    assert len(set(names)) == 4


def test_two_settings_with_one_last_name_are_called_by_their_whole_names() -> None:
    both = (Vary("learner.clip", ("0.1",)), Vary("objective.settings.clip", ("3",)))
    (variant,) = Selection(("paper",), vary=both).variants({})
    assert variant.name == "paper-alpha-0.1-learner.clip-0.1-objective.settings.clip-3-seed-0"


def test_an_objective_of_one_s_own_takes_part() -> None:
    found = configs(Selection(("paper", OWN), (0.1,)), plan())
    assert list(found) == ["paper-alpha-0.1-seed-0", f"{OWN.rpartition(':')[2]}-seed-0"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"objectives": ("paper", OWN, OWN)}, "twice"),
        ({"seeds": (1, 1)}, "--seeds names 1 twice"),
        ({"vary": (Vary("sampling.n", ("4", "8")), Vary("sampling.n", ("16",)))}, "--vary names sampling.n twice"),
        ({"own": {"paper": ("sampling.n=4",)}, "vary": (Vary("sampling.n", ("8",)),)}, "contradict each other"),
        ({"own": {"paper": ("template=boxed",)}}, "share the template"),
    ],
)
def test_a_selection_that_contradicts_itself_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Selection(**{"objectives": ("paper",), **more})


def test_a_setting_for_all_and_for_one_is_said_once() -> None:
    selection = Selection(("paper",), own={"paper": ("sampling.n=4",)})
    with pytest.raises(UserError, match=r"sampling\.n is set for all runs and for paper"):
        selection.refuse(["sampling.n=8"])


def test_what_is_finished_is_not_begun_again() -> None:
    some = chains([Variant("a"), Variant("b", after="a"), Variant("c")], plan())
    left = without(some, {"train a", "evaluate a", "train c", "evaluate c"})
    assert [[command.title for command in chain.commands] for chain in left] == [["train b", "evaluate b"]]


# ---- how many side by side


def test_runs_side_by_side_find_room_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "usual_jobs", lambda: 4)
    monkeypatch.setattr(cost, "peak_bytes", lambda config: 3e9)
    for available, jobs in ((20e9, 4), (7e9, 2), (1e9, 1), (0, 4)):
        monkeypatch.setattr(cost, "available_memory", lambda device, there=available: (int(there), ""))
        assert cost.jobs_within_memory([plan().common_config]) == jobs


def test_on_several_gpus_each_command_has_one_for_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cost, "device_kind", lambda name: "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    slots = cost.slots_for(plan(), [], None)
    assert (slots.jobs, slots.gpus) == (2, ("2", "5"))
    given: list[str] = []

    def popen(command: list[str], *, env: dict[str, str], **_: Any) -> SimpleNamespace:
        given.append(env["CUDA_VISIBLE_DEVICES"])
        return SimpleNamespace(poll=lambda: 0)

    monkeypatch.setattr("tersely.pipelines.chain.subprocess", SimpleNamespace(Popen=popen, DEVNULL=None))
    monkeypatch.setattr("tersely.pipelines.chain.POLL_SECONDS", 0)
    todo = [CommandChain((Command(str(i), (), tmp_path / "none"),)) for i in range(3)]
    with StopRequest() as stop:
        Runner(tmp_path, Console(quiet=True), stop, gpus=slots.gpus).run(todo, slots.jobs)
    assert given == ["2", "5", "2"]


# ---- adapters of one base


def test_the_line_that_serves_a_family_names_each_adapter_and_the_largest_rank(tmp_path: Path) -> None:
    some, selection = plan(tmp_path), Selection(("paper",), (0.1, 0.2), vary=(Vary("learner.lora.rank", ("4", "12")),))
    variants = selection.variants({})
    for variant in variants[1:]:
        place = tmp_path / variant.name / "checkpoints/step-000003" / FOLDER
        place.mkdir(parents=True)
        (place / WEIGHTS).touch()
    assert adapter_of(tmp_path / variants[0].name) is None
    line = serve_line(some, variants)
    modules = " ".join(f"{v.name}={tmp_path / v.name}/checkpoints/step-000003/adapter" for v in variants[1:])
    assert line == f"vllm serve {SHIPPED_BASE} --enable-lora --lora-modules {modules} --max-lora-rank 16"
    assert serve_line(some, Selection(("paper",)).variants({})) is None


# ---- the whole of it


SMALL = {
    "run.steps": 2, "sampling.prompts": 2, "sampling.n": 2, "sampling.max_new_tokens": 160, "learner.lora.rank": 2,
}  # fmt: skip


def command(out: Path, *more: str) -> list[str]:
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    return ["sweep", "--model", str(SHIPPED_BASE), *settings, "--size", "6", "--k", "2", "--out", str(out), *more]


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    blank_figures(monkeypatch)
    forked.chains_fork(monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("forking")
def test_a_sweep_that_was_killed_goes_on_and_leaves_what_is_finished(tmp_path: Path) -> None:
    words = command(tmp_path / "out", "--objectives", "paper,prime-rl", "--alphas", "0.2", "--jobs", "1")
    with open(os.devnull, "w") as nowhere:
        process = forked.start(*words, out=nowhere, err=nowhere)
        first = tmp_path / "out/paper-alpha-0.2-seed-0"
        end = time.monotonic() + 200
        while not (first / "done.json").exists() and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stamp = (first / "journal.jsonl").stat().st_mtime_ns
    done = forked.run(*words)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "2 runs from" in said
    assert "1 of them finished" in said
    assert "train paper-alpha-0.2-seed-0: done" not in said
    assert (first / "journal.jsonl").stat().st_mtime_ns == stamp
    assert f"prime-rl-seed-0={tmp_path / 'out/prime-rl-seed-0/checkpoints/step-000002/adapter'}" in done.stdout
    assert (
        json.loads((tmp_path / "out" / MARK).read_text())["runs"]["prime-rl-seed-0"][0] == "objective.method=prime-rl"
    )

    again = forked.run(*words)
    assert again.returncode == 0, again.stderr
    assert "compare: done (1 of 1)" in again.stderr
    assert (tmp_path / "out/page/index.html").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("forking")
def test_the_python_face_returns_the_runs_in_order(tmp_path: Path) -> None:
    runs = tersely.sweep(
        SHIPPED_BASE, out=tmp_path / "out", alphas=[0.2], vary={"learner.averaging": ["token"]}, settings=SMALL, size=6
    )
    assert [run.path.name for run in runs] == ["paper-alpha-0.2-averaging-token-seed-0"]
    assert runs[0].finished
    assert runs[0].config["learner"]["averaging"] == "token"
    assert list(runs[0].evaluations) == ["arithmetic"]
