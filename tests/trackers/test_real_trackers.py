"""The real libraries, offline: what they kept is what the journal says. Skipped where one is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tersely.trackers import TRACKERS
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    train_for_odd_texts(settings(folder), folder / "run")
    return folder


def need(name: str) -> None:
    if importlib.util.find_spec(TRACKERS[name].library) is None:
        pytest.skip(f"{name} is not installed")


def tersely(place: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of ours in ``place``, where the trackers keep what they are told; no network is asked for anything."""
    kept = {"WANDB_MODE": "offline", "WANDB_DIR": str(place), "TRACKIO_DIR": str(place / "trackio")}
    environment = {**os.environ, **kept, "HF_HUB_OFFLINE": "1", "HOME": str(place)}
    command = [sys.executable, "-m", "tersely", *map(str, words)]
    done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def journal(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_finished_run_is_replayed(name: str, root: Path, tmp_path: Path) -> None:
    need(name)
    run = Path(shutil.copytree(root / "run", tmp_path / "run"))
    done = tersely(tmp_path, "replay", run, "--to", name)
    assert (done.returncode, f"told {name} of 4 steps" in done.stdout) == (0, True), done.stderr
    assert_kept(name, tmp_path, run)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_is_told_while_it_trains(name: str, root: Path, tmp_path: Path) -> None:
    need(name)
    options = [
        "sampling.prompts=4",
        "sampling.n=4",
        "sampling.max_new_tokens=40",
        "run.threads=1",
        "run.all_wrong_stop=0",
        f"run.report_to={name}",
    ]
    chosen = [word for option in options for word in ("--set", option)]
    paths = ["--model", root / "model", "--task", root / "task.jsonl", "--out", tmp_path / "run"]
    done = tersely(tmp_path, "train", *paths, "--template", "question", "--steps", "2", *chosen)
    assert (done.returncode, "failed" in done.stderr) == (0, False), done.stderr
    assert_kept(name, tmp_path, tmp_path / "run")


def assert_kept(name: str, place: Path, run: Path) -> None:
    """The tracker holds every step's mean length and the samples."""
    kept, texts = KEPT[name](place, run)
    assert kept == pytest.approx({line["step"]: line["length"] for line in journal(run)})
    samples = [json.loads(line)["text"] for line in (run / "samples.jsonl").read_text().splitlines()]
    assert texts >= len(set(samples)) > 0


def tensorboard_kept(place: Path, run: Path) -> tuple[dict[int, float], int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    tables = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("samples/text_summary")]
    return (
        {event.step: event.value for event in events.Scalars("length/mean")},
        sum(table.count("\n") - 1 for table in tables),
    )


def trackio_kept(place: Path, run: Path) -> tuple[dict[int, float], int]:
    with sqlite3.connect(place / "trackio/tersely.db") as database:
        rows = database.execute("select step, metrics from metrics order by id").fetchall()
    told = {step: json.loads(numbers) for step, numbers in rows}
    tables = [numbers["samples"]["_value"] for numbers in told.values() if "samples" in numbers]
    return {step: numbers["length/mean"] for step, numbers in told.items()}, sum(map(len, tables))


def wandb_kept(place: Path, run: Path) -> tuple[dict[int, float], int]:
    from wandb.proto.wandb_internal_pb2 import Record

    (log,) = place.glob("wandb/offline-run-*/*.wandb")
    lengths = {}
    for line in records_of(log.read_bytes()):
        record = Record()
        record.ParseFromString(line)
        items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        if "length/mean" in items:
            lengths[int(items["_step"])] = float(items["length/mean"])
    tables = [json.loads(path.read_text()) for path in place.glob("wandb/offline-run-*/files/media/table/*.json")]
    return lengths, sum(len(table["data"]) for table in tables)


def records_of(log: bytes) -> list[bytes]:
    """The records of wandb's file: 7 bytes, then LevelDB's log format (crc, length, kind, data in blocks of 32768)."""
    found, at, whole = [], 7, b""
    while at + 7 <= len(log):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(log[at + 4 : at + 6], "little"), log[at + 6]
        whole += log[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part of one
            found.append(whole)
            whole = b""
    return found


KEPT = {"tensorboard": tensorboard_kept, "trackio": trackio_kept, "wandb": wandb_kept}
