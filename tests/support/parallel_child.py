"""One of several processes that train or evaluate together: runs commands one after another.

``python parallel_child.py SCENARIOS.json OUT``: each scenario is {"argv": [...], "stop_after": step or null} (of an
evaluation with the refilling engine: responses, in each process). What became of scenario i in rank r is written to
OUT/i.r.json, with the tokens of its share of each gradient step, and whether its streaming engine was handed shares,
call by call. A random model never answers, so odd texts count as right.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import torch

import tersely.rollouts as rollouts
from graders import ParityJudge
from refilling_engine import RefillingSampler
from streaming_engine import StreamingSampler
from tersely.cli import main
from tersely.journal import StepRecord
from tersely.learn.batch import Batch
from tersely.learn.learner import Learner
from tersely.learn.trainer import Trainer
from tersely.runs.disk import write_json_atomic


def run(argv: list[str], stop_after: int | None, rank: int) -> dict[str, Any]:
    step = Trainer.step

    def step_and_stop(self: Trainer, number: int, alpha: float | None = None) -> StepRecord:
        record = step(self, number, alpha)
        if number == stop_after and rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return record

    Trainer.step = step_and_stop  # type: ignore[method-assign]
    cut, tokens = Learner._cut, []

    def cut_and_count(self: Learner, rows: Batch) -> list[Batch]:
        own = cut(self, rows)
        tokens.append(sum(row.width for batch in own for row in batch.rows if row.tokens))
        return own

    Learner._cut = cut_and_count  # type: ignore[method-assign]
    RefillingSampler.stop_after = stop_after
    shares: list[bool] = []
    StreamingSampler.heard = shares
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main(argv)
        except SystemExit as end:
            code = end.code
        finally:
            Trainer.step = step  # type: ignore[method-assign]
            Learner._cut = cut  # type: ignore[method-assign]
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "tokens": tokens, "shares": shares}


def agreed_port(note: Path, rank: int) -> int:
    """A port that is free now: found by the first process, told to the others by a file."""
    if rank == 0:
        with socket.socket() as free:
            free.bind(("", 0))
            write_json_atomic(note, {"port": free.getsockname()[1]})
    while not note.exists():
        time.sleep(0.01)
    return int(json.loads(note.read_text())["port"])


def run_all(scenarios: Path, out: Path, here: int) -> None:
    """All of them, as process number ``here``."""
    torch.set_num_threads(1)
    rollouts.Judge = ParityJudge  # type: ignore[misc]
    # Processes join once for each scenario here: every time at a store of its own, not at torchrun's, which remembers.
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
    for i, scenario in enumerate(json.loads(scenarios.read_text())):
        os.environ["MASTER_PORT"] = str(agreed_port(out / f"{i}.port", here))
        found = run(scenario["argv"], scenario["stop_after"], here)
        (out / f"{i}.{here}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), Path(sys.argv[2]), int(os.environ.get("RANK", "0")))
