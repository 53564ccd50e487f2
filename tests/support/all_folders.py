"""One folder of every kind that tersely makes, small, and all that its readers take from them."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from graders import ParityJudge
from tersely.api import load_run
from tersely.baselines.kept import read_samples
from tersely.baselines.run import run_baseline
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_baseline, resolve_samples
from tersely.errors import TerselyError
from tersely.evaluation.faithfulness import measure_hints, read_summary
from tersely.evaluation.hint_records import read_pairs
from tersely.evaluation.hint_work import prepare_hints
from tersely.evaluation.profile import profile, read_profile
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.run import evaluate
from tersely.evaluation.runs import read_run
from tersely.learn.loop import train as run_training
from tersely.models.digest import weights_digest
from tersely.models.folder import resolve_model
from tersely.models.trained_for import read_trained_for
from tersely.plan.against_run import read_training_config
from tersely.plan.lengths import read_lengths
from tersely.records import Problem, Status, Verdict
from tersely.runs.folder import read_config, read_done
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log
from tersely.verify import Judge
from tiny_models import make_model_folder, make_task
from training import QUIET, settings

RUN, EVALUATION, PROFILE, SAMPLES = "run", "run/evaluation/held_out", "run/profile/held_out", "samples"
FAITHFULNESS, BASELINE = "hints/choices@stanford", "baseline"

Make = Callable[[Path], object]
Read = Callable[[Path], Any]


def protocol(task: Path, k: int = 2) -> EvalProtocol:
    return EvalProtocol(task=str(task), size=None, k=k, max_new_tokens=24, temperature=1.0, template="question")


def make_inputs(root: Path) -> None:
    """model/ and the tasks, from which all else is made."""
    make_model_folder(root / "model")
    make_task(root / "task.jsonl")
    make_task(root / "held_out.jsonl", count=6, start=100)
    rows = [{"problem": f"Where is {i}?", "choices": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(5)]
    (root / "choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


class DoubtingJudge(ParityJudge):
    """One answer could not be judged before, and stays so."""

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        self.unjudged.setdefault("0123", Verdict(Status.UNJUDGED, "x", "timeout"))
        return super().grade(pairs)


def train(root: Path) -> None:
    run_training(settings(root, run={"probe": 2}), root / RUN, QUIET, judge=DoubtingJudge())


def evaluate_run(root: Path) -> None:
    evaluate(
        root / RUN, protocol(root / "held_out.jsonl"), None, QUIET, command="test", threads=1, judge=ParityJudge(),
        max_rows=4,
    )  # fmt: skip


def profile_run(root: Path) -> None:
    profile(root / RUN, lambda cap: protocol(root / "held_out.jsonl", 4), None, QUIET, command="test", threads=1)


def hint(root: Path) -> None:
    task = protocol(root / "choices.jsonl")
    with Judge(workers=1) as judge:
        work = prepare_hints(root / "model", task, "stanford", root / "hints", judge, command="test", threads=1)
        measure_hints(work, judge, QUIET)


def _drawing(root: Path) -> dict[str, Any]:
    return {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "sampling": {"n": 4, "max_new_tokens": 40, "max_rows": 8},
        "run": {"threads": 1, "judge_workers": 1},
    }


def draw(root: Path) -> None:
    draw_samples(resolve_samples(_drawing(root)), root / SAMPLES, QUIET, ParityJudge())


def prune(root: Path) -> None:
    config = resolve_baseline("o1-pruner", {**_drawing(root), "tuning": {"learning_rate": 1e-3, "batch": 8}})
    run_baseline("o1-pruner", config, root / BASELINE, root / SAMPLES, QUIET)


COMMANDS: Mapping[str, Make] = {
    RUN: train,
    EVALUATION: evaluate_run,
    PROFILE: profile_run,
    FAITHFULNESS: hint,
    SAMPLES: draw,
    BASELINE: prune,
}
"""What makes each folder, or goes on with it."""


def make_all(root: Path) -> None:
    make_inputs(root)
    for make in COMMANDS.values():
        make(root)


def _of_run(folder: Path) -> Any:
    model = resolve_model(folder)
    logs = [read_log(folder / f"{name}.jsonl", allow_torn=True) for name in ("journal", "clock", "samples")]
    names = ("config.json", "trained_on.json", "model_check.json", "probe.json", "unjudged.json")
    files = [read_json(folder / name, "a file") for name in names]
    kept = read_training_config(folder), load_run(folder), read_run(folder, variants=True)
    return model, weights_digest(model), read_trained_for(model), logs, files, kept, read_done(folder)


def _of_evaluation(folder: Path) -> Any:
    files = [read_json(folder / name, "a file") for name in ("expected.json", "model_check.json")]
    # As the report reads it: through the folder of the run.
    return read_run(folder.parents[1]).evaluations[folder.name], files, read_config(folder), read_done(folder)


def _of_profile(folder: Path) -> Any:
    path = folder / "profile.json"
    files = [read_json(folder / name, "a file") for name in ("expected.json", "model_check.json", "summary.json")]
    lines = read_log(folder / "responses.jsonl", allow_torn=True)
    return read_profile(path), read_lengths(folder).lengths_Q.tolist(), files, lines, read_config(folder)


def _of_faithfulness(folder: Path) -> Any:
    files = [read_json(folder / name, "a file") for name in ("summary.json", "model_check.json")]
    return read_pairs(folder), read_summary(folder), files, read_config(folder), read_done(folder)


def _of_samples(folder: Path) -> Any:
    files = [read_json(folder / name, "a file") for name in ("trained_on.json", "model_check.json")]
    clock = read_log(folder / "clock.jsonl", allow_torn=True)
    return read_samples(folder), clock, files, read_done(folder)


def _of_baseline(folder: Path) -> Any:
    model = resolve_model(folder)
    logs = [read_log(folder / f"{name}.jsonl", allow_torn=True) for name in ("journal", "clock")]
    files = read_json(folder / "trained_on.json", "a file")
    return weights_digest(model), read_trained_for(model), logs, files, read_config(folder), read_done(folder)


READERS: Mapping[str, Read] = {
    RUN: _of_run,
    EVALUATION: _of_evaluation,
    PROFILE: _of_profile,
    FAITHFULNESS: _of_faithfulness,
    SAMPLES: _of_samples,
    BASELINE: _of_baseline,
}
"""Every number and every decision that is taken from each folder."""


def files_of(root: Path, folder: str) -> list[Path]:
    """All files of a folder, those of the folders inside it apart, and its lock, which only names a process."""
    inner = [root / other for other in COMMANDS if other != folder and other.startswith(folder + "/")]
    found = (path for path in sorted((root / folder).rglob("*")) if path.is_file() and path.name != ".lock")
    return [path for path in found if not any(path.is_relative_to(place) for place in inner)]


class Outcome(StrEnum):
    """What a reader makes of a folder to which something happened."""

    SAME = "nothing changed"
    REFUSED = "refused"
    SILENT = "SILENT"
    TRACEBACK = "TRACEBACK"


def look(read: Read, folder: Path, wanted: Any) -> tuple[Outcome, str]:
    """The outcome, and the sentence or exception."""
    try:
        return (Outcome.SAME, "") if read(folder) == wanted else (Outcome.SILENT, "other values were read")
    except TerselyError as error:
        return Outcome.REFUSED, str(error)
    except Exception as error:  # whatever it is: it should have been a sentence
        return Outcome.TRACEBACK, repr(error)


# ---- work that is not finished


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[Path]:
    """The folder, to do anything with; afterwards it is what it was."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kept-") as aside:
        shutil.copytree(folder, Path(aside) / "copy", symlinks=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
            shutil.move(Path(aside) / "copy", folder)


def half_done(root: Path, name: str) -> None:
    """The folder as a kill in the middle of its work could have left it."""
    folder = root / name
    for written_last in ("done.json", "sealed.json", "summary.json"):
        (folder / written_last).unlink(missing_ok=True)
    for log, count in {"responses": 5, "groups": 4}.items():
        _cut(folder / f"{log}.jsonl", count)
    if name == SAMPLES:
        _cut(folder / "clock.jsonl", 2)
    if name == RUN:
        shutil.rmtree(folder / "checkpoints/step-000004")


def _cut(log: Path, count: int) -> None:
    if log.is_file():
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:count]))


def _result_of_run(folder: Path) -> Any:
    logs = [read_log(folder / f"{name}.jsonl") for name in ("journal", "samples")]
    return weights_digest(resolve_model(folder)), logs, read_json(folder / "unjudged.json", "a file")


def _result_of_evaluation(folder: Path) -> Any:
    found = read_evaluation(folder)
    return found.responses(), found.summary, found.protocol, found.weights_sha256


RESULTS: Mapping[str, Read] = {
    RUN: _result_of_run,
    EVALUATION: _result_of_evaluation,
    FAITHFULNESS: lambda folder: (read_pairs(folder), read_summary(folder)),
    SAMPLES: lambda folder: (read_samples(folder).groups, read_done(folder)),
}
"""What work comes to, however often it was cut."""


def go_on(root: Path, name: str, wanted: Any) -> tuple[Outcome, str]:
    """The same command again, and what its result is then."""

    def work(folder: Path) -> Any:
        COMMANDS[name](root)
        return RESULTS[name](folder)

    return look(work, root / name, wanted)
