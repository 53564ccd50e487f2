"""An engine that refills its rows is full from the first prompt of an evaluation to its last, and loses nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from refilling_engine import RefillingSampler
from tersely.errors import StorageError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import SUMMARY, read_responses
from tersely.evaluation.run import evaluate
from tersely.records import EvalRecord
from tersely.runs import disk, ended
from tersely.runs.ended import EndedLog, ended_logs, read_ended
from tersely.runs.folder import read_log
from tersely.runs.json_file import read_json
from tersely.samplers.base import Prompt, Sampling
from tersely.stop import Stopped
from tiny_models import make_model_folder, make_task
from training import QUIET

ROWS = 4


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvalProtocol:
    """A model, a task and a protocol under which a random model's responses end at many different lengths."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ended, "SECONDS", -1.0)
    for name, value in (("rows", []), ("asked", []), ("stop_after", None)):
        monkeypatch.setattr(RefillingSampler, name, value)
    make_model_folder(Path("model"))
    make_task(Path("task.jsonl"), 12)
    return EvalProtocol(task="task.jsonl", size=None, k=3, max_new_tokens=60, template="question")


def measured(protocol: EvalProtocol, out: str, engine: str = "refilling_engine:SPEC", **more: Any) -> Path:
    asked = {"command": "", "engine": engine, "max_rows": ROWS, "judge": ParityJudge()}
    return evaluate(Path("model"), protocol, Path(out), QUIET, **{**asked, **more})


def records_of(folder: Path) -> list[EvalRecord]:
    return read_responses(folder)


@pytest.mark.slow
def test_the_records_are_those_of_blocks_and_no_row_is_idle_while_a_prompt_is_left(begun: EvalProtocol) -> None:
    folder, blocks = measured(begun, "full"), measured(begun, "blocks", "transformers")
    assert read_log(folder / "responses.jsonl") == read_log(blocks / "responses.jsonl")
    assert read_json(folder / SUMMARY, "", "")["summary"] == read_json(blocks / SUMMARY, "", "")["summary"]
    assert ended_logs(folder) == []
    lengths = [record.tokens for record in records_of(folder)]
    assert len(set(lengths)) > 5
    assert len(RefillingSampler.asked) == len(lengths) == 36
    # Rows leave for good only when no prompt waits; in blocks of one problem each (k 3, 4 rows) the longest decides.
    assert RefillingSampler.rows == sorted(RefillingSampler.rows, reverse=True)
    assert sum(RefillingSampler.rows) == sum(lengths)
    in_blocks = sum(max(lengths[start : start + 3]) for start in range(0, 36, 3))
    assert len(RefillingSampler.rows) <= sum(lengths) / ROWS + max(lengths) < in_blocks


@pytest.mark.slow
def test_a_kill_loses_what_was_being_decoded_and_nothing_else(begun: EvalProtocol) -> None:
    class Killed(BaseException):
        pass

    class Dies(RefillingSampler):
        def as_they_end(self, prompts: Any, sampling: Sampling) -> Any:
            for count, over in enumerate(super().as_they_end(prompts, sampling)):
                yield over
                if count == 150:
                    raise Killed

    wanted = measured(begun, "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refilling_engine.RefillingSampler", Dies)
        with pytest.raises(Killed):
            measured(begun, "cut")
    folder = Path("cut/task")
    kept = {(line["key"].split("/")[0], int(line["key"].split("/")[1])) for line in read_ended(folder)}
    assert len(kept) > 2 * ROWS
    assert len(records_of(folder)) < len(kept)
    RefillingSampler.asked.clear()
    assert measured(begun, "cut") == folder
    assert not kept & set(RefillingSampler.asked)
    assert (folder / "responses.jsonl").read_bytes() == (wanted / "responses.jsonl").read_bytes()
    assert ended_logs(folder) == []


@pytest.mark.slow
def test_a_stop_waits_for_no_response_and_a_larger_evaluation_goes_on_with_what_is_kept(begun: EvalProtocol) -> None:
    RefillingSampler.stop_after = 10
    with pytest.raises(Stopped, match=r"1\d of 36 responses are kept"):
        measured(begun, "out")
    RefillingSampler.stop_after = None
    RefillingSampler.asked.clear()
    measured(replace(begun, k=4), "out")
    # Several may end in the step in which the tenth does.
    assert 48 - 10 - ROWS < len(RefillingSampler.asked) <= 48 - 10
    grown, whole = (sorted(records_of(measured(replace(begun, k=4), out)), key=str) for out in ("out", "other"))
    assert grown == whole


@pytest.mark.slow
def test_damage_to_what_is_kept_is_named_and_other_weights_leave_it_alone(begun: EvalProtocol) -> None:
    RefillingSampler.stop_after = 10
    with pytest.raises(Stopped):
        measured(begun, "out")
    RefillingSampler.stop_after = None
    log = Path("out/task/ended-0.jsonl")
    good, lines = log.read_bytes(), list(read_ended(log.parent))
    log.write_bytes(good.replace(b'"finish": "', b'"finish": "x', 1))
    with pytest.raises(StorageError, match=r"ended-0.jsonl, line 1: its check does not fit.*remove it, and what it"):
        measured(begun, "out")
    log.unlink()
    # Of the same form, but not of what is asked here; a torn line; and one that is no response at all.
    kept = EndedLog(log.parent, 0)
    kept.append([{**line, "key": line["key"][:-1] + "g"} for line in lines])
    kept.append([{**lines[0], "tokens": "7"}, {"key": lines[1]["key"]}])
    log.write_bytes(log.read_bytes() + b'{"key": "to')
    RefillingSampler.asked.clear()
    judged = len(records_of(log.parent))
    measured(begun, "out")
    assert len(RefillingSampler.asked) == 36 - judged


def test_a_second_interrupt_in_the_midst_of_a_write_damages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are in the file and were not counted yet; what is written at the end goes on behind them."""
    log, wrote = EndedLog(tmp_path, 0), disk.append_lines
    log.append([{"key": "a"}])
    log.flush()

    def interrupted(path: Path, lines: Any) -> None:
        wrote(path, lines)
        monkeypatch.setattr(disk, "append_lines", wrote)
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, "append_lines", interrupted)
    log.append([{"key": "b"}])
    with pytest.raises(KeyboardInterrupt):
        log.flush()
    log.flush()
    assert {line["key"] for line in read_ended(tmp_path)} == {"a", "b"}


def test_what_was_not_told_of_cannot_be_asked_for(begun: EvalProtocol) -> None:
    from tersely.samplers.ahead import Ahead

    class Nothing:
        def as_they_end(self, prompts: Any, sampling: Sampling) -> Any:
            yield from ()

    ahead = Ahead(Nothing(), [], Sampling(n=1, max_new_tokens=3), "")
    with pytest.raises(ValueError, match="not told of"):
        ahead.generate([Prompt("a", (1,))], Sampling(n=1, max_new_tokens=3))
    with pytest.raises(ValueError, match="other weights"):
        ahead.load_weights(None, 1)
