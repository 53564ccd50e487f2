"""Two real processes that share the problems of an evaluation: the files are those of one process."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import forked
import tersely.rollouts as rollouts
from graders import ParityJudge
from parallel_child import run_all
from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation.profile import PROFILE, read_profile
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import SUMMARY, read_responses
from tersely.evaluation.work import prepare
from tersely.learn.parallel import World
from tersely.runs.ended import ended_logs
from tersely.runs.folder import read_log
from tersely.samplers.endpoint import Endpoint
from tiny_models import make_model_folder, make_task


def words(root: Path, out: str, *more: str) -> list[str]:
    """Blocks of two problems a process, and one left over."""
    asked = ["--task", str(root / "task.jsonl"), "--k", "3", "--max-new-tokens", "30", "--max-rows", "6"]
    return ["evaluate", str(root / "model"), *asked, "--template", "question", "--out", str(root / out), *more]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[dict[str, Any]]]]:
    """The folder, and what became of each command in each of the processes."""
    root = tmp_path_factory.mktemp("parallel-evaluation")
    make_model_folder(root / "model")
    make_task(root / "task.jsonl", 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "Judge", ParityJudge)
        assert main(words(root, "one")) == 0
        # Begun by one process, with fewer responses a problem.
        assert main(words(root, "grown", "--k", "1")) == 0
    commands = [words(root, "two"), words(root, "two"), words(root, "grown"), words(root, "none", "--task", "nowhere")]
    commands.append(["profile", *words(root, "profiled")[1:], "--k", "2"])
    commands += 2 * [words(root, "full", "--engine", "refilling_engine:SPEC")]
    stops = [None, None, None, None, None, 5, None]
    scenarios = [{"argv": argv, "stop_after": stop} for argv, stop in zip(commands, stops, strict=True)]
    (root / "scenarios.json").write_text(json.dumps(scenarios))
    forked.together(partial(run_all, root / "scenarios.json", root), 2)
    return root, [
        [json.loads((root / f"{i}.{rank}.json").read_text()) for rank in (0, 1)] for i in range(len(commands))
    ]


def folder(root: Path, out: str) -> Path:
    return root / out / "model" / "task"


@pytest.mark.slow
def test_two_processes_leave_the_records_of_one(ran: tuple[Path, list[list[dict[str, Any]]]]) -> None:
    root, results = ran
    assert [one["code"] for one in results[0]] == [0, 0], results[0]
    # Line by line, in the order of one process.
    assert read_log(folder(root, "two") / "responses.jsonl") == read_log(folder(root, "one") / "responses.jsonl")
    found, wanted = (json.loads((folder(root, out) / SUMMARY).read_text()) for out in ("two", "one"))
    assert found["summary"] == wanted["summary"]
    assert "accuracy" in results[0][0]["out"]
    assert (results[0][1]["out"], results[0][1]["err"]) == ("", "")
    assert "finished already" in results[1][0]["err"]


@pytest.mark.slow
def test_two_processes_go_on_with_what_one_began(ran: tuple[Path, list[list[dict[str, Any]]]]) -> None:
    root, results = ran
    assert [one["code"] for one in results[2]] == [0, 0], results[2]
    grown, whole = (
        sorted(read_responses(folder(root, out)), key=lambda r: (r.problem_id, r.sample)) for out in ("grown", "one")
    )
    assert grown == whole


@pytest.mark.slow
def test_a_mistake_is_said_once_and_ends_both(ran: tuple[Path, list[list[dict[str, Any]]]]) -> None:
    root, results = ran
    assert [one["code"] for one in results[3]] == [2, 2]
    assert "nowhere" in results[3][0]["err"]
    assert results[3][1]["err"] == ""
    assert not (root / "none").exists()


@pytest.mark.slow
def test_a_profile_of_two_processes_is_written_and_shown_once(ran: tuple[Path, list[list[dict[str, Any]]]]) -> None:
    root, results = ran
    assert [one["code"] for one in results[4]] == [0, 0], results[4]
    assert "pass@2" in results[4][0]["out"]
    assert (results[4][1]["out"], results[4][1]["err"]) == ("", "")
    assert read_profile(next((root / "profiled").rglob(PROFILE))).k == 2


@pytest.mark.slow
def test_full_engines_wait_for_each_other_at_the_end_alone_and_a_stop_keeps_what_has_ended(
    ran: tuple[Path, list[list[dict[str, Any]]]],
) -> None:
    root, results = ran
    assert [one["code"] for one in results[5]] == [143, 143], results[5]
    assert "every response that has ended is kept" in results[5][0]["err"]
    assert [one["code"] for one in results[6]] == [0, 0], results[6]
    assert read_log(folder(root, "full") / "responses.jsonl") == read_log(folder(root, "one") / "responses.jsonl")
    assert ended_logs(folder(root, "full")) == []


def test_a_server_is_asked_by_one_process(tmp_path: Path) -> None:
    protocol = EvalProtocol(task="arithmetic", size=1, k=1, max_new_tokens=8)
    server = Endpoint("http://127.0.0.1:1/v1", "m")
    with pytest.raises(UserError, match="a server is asked by one process"):
        prepare(server, replace(protocol), tmp_path, ParityJudge(), command="", world=World(0, 2))
