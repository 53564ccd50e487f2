"""Folders that come from somebody else: whatever lies in them, no file outside is written, cut or made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from run_files import content_of, rewrite
from tersely.cli import main
from tersely.errors import StorageError, TerselyError, UserError
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.runs import disk as storage
from tersely.runs import manifest
from tersely.runs.files import write_folder
from tersely.runs.folder import RunFolder, read_done, read_log
from tersely.stop import StopRequest
from tiny_models import make_model_folder, make_task

CONFIG = {"seed": 3}
NEWEST = "checkpoints/step-000004"
EVALUATED = "task@step-000004"
"""What the evaluation of the run is called, which is not trained to its end."""


@dataclass(frozen=True)
class Scene:
    """A run folder with two checkpoints, a model and a task, and beside it what must not be touched."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def victim(self) -> Path:
        return self.outside / "thesis.tex"

    def link(self, name: str, target: str) -> None:
        """``name`` in the run folder becomes a symbolic link to ``target`` outside, whatever was there."""
        place = self.run / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(self.outside / target)


def state_of(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that can change below a folder, by name: bytes, size, time and inode of files, the target of links."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            found[str(path)] = (os.readlink(path),)
        elif path.is_file():
            found[str(path)] = (path.read_bytes(), facts.st_size, facts.st_mtime_ns, facts.st_ino)
        else:
            found[str(path)] = (facts.st_mtime_ns,)
    return found


def in_run(scene: Scene) -> dict[str, tuple[Any, ...]]:
    """The run folder but for its lock, which names the last process that looked in."""
    kept = state_of(scene.run).items()
    return {name: facts for name, facts in kept if name not in (str(scene.run / ".lock"), str(scene.run))}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def scene(tmp_path: Path, model: Path) -> Scene:
    scene = Scene(tmp_path)
    with RunFolder.open(scene.run, "train", CONFIG) as run:
        for step in (2, 4):
            run.append("journal", [{"step": step}])
            run.save(step, lambda folder: shutil.copytree(model, folder, dirs_exist_ok=True) and None, {})
        run.append("journal", [{"step": 5}])
    (scene.run / "mine.jsonl").write_text('{"precious": 1}\n')
    make_task(tmp_path / "task.jsonl", 2)
    (scene.outside / "empty").mkdir(parents=True)
    scene.victim.write_text("\\documentclass{book}\n" * 40)
    (scene.outside / "notes.jsonl").write_text('{"precious": 2}\n' * 40)
    shutil.copytree(scene.run / NEWEST, scene.outside / "whole")
    return scene


# ---- what is done with a folder


def go_on(scene: Scene) -> None:
    """What every command does with its run folder, from taking it up to the last word."""
    with RunFolder.open(scene.run, "train", CONFIG) as run:
        run.rewind(run.latest())
        run.append("journal", [{"step": 5}])
        run.append("clock", [{"step": 5}])
        storage.write_json_atomic(run.path / "probe.json", {"cap": 1})
        run.save(6, lambda folder: (folder / "weights").write_bytes(b"x" * 99) and None, {})
        run.mark_done({"steps": 6})


def draw_samples(scene: Scene) -> None:
    """A baseline's own samples lie in a run folder inside its run folder."""
    with RunFolder.open(scene.run / "samples", "samples", CONFIG) as run:
        run.append("groups", [{"problem": 1}])


def command(*arguments: object) -> None:
    """A command of the command line; its refusal is raised as the error that its exit code stands for."""
    code = main([str(part) for part in arguments])
    if code:
        raise {2: UserError, 4: StorageError}[code]("said by the command")


def evaluate(scene: Scene, *more: object, verb: str = "evaluate") -> None:
    short = ("--k", 1, "--max-new-tokens", 4)
    command(verb, scene.run, "--task", scene.root / "task.jsonl", *short, "--template", "question", *more)


def evaluate_beside(scene: Scene) -> None:
    evaluate(scene, "--out", scene.run / "theirs")


def profile(scene: Scene) -> None:
    evaluate(scene, "--size", 2, verb="profile")


def hint(scene: Scene) -> None:
    command("faithfulness", scene.run, "--task", scene.root / "task.jsonl")


def train(scene: Scene) -> None:
    """A folder with nothing but a lock is as good as empty."""
    for path in scene.run.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    settings = ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=4", "run.steps=1", "run.judge_workers=1",
                "run.all_wrong_stop=0")  # fmt: skip
    task = ("--model", scene.outside / "whole", "--task", scene.root / "task.jsonl", "--template", "question")
    command("train", "--out", scene.run, *task, *(part for text in settings for part in ("--set", text)))


def write_page(scene: Scene) -> None:
    write_folder(scene.run, {Path("index.html"): b"new", Path("figures/a.svg"): b"new"}, "the page")


def run_chain(scene: Scene) -> None:
    require_own(scene.run, "this test")
    with StopRequest() as stop:
        runner = Runner(scene.run / "logs", Console(quiet=True), stop)
        runner.run([CommandChain((Command("train", ("--version",), scene.run / "none.jsonl"),))], 1)


# ---- what can be wrong with it


def config_logs(value: Any) -> Callable[[Scene], None]:
    def build(scene: Scene) -> None:
        rewrite(scene.run / "config.json", logs=json.loads(json.dumps(value).replace("OUTSIDE", str(scene.outside))))

    return build


def state_logs(value: Any) -> Callable[[Scene], None]:
    """The newest checkpoint says this of its logs, and its seal is good."""

    def build(scene: Scene) -> None:
        folder = scene.run / NEWEST
        content = {"step": 4, "state": {}, "logs": value} if value is not None else []
        (folder / "state.json").write_text(json.dumps(content).replace("OUTSIDE", str(scene.outside)))
        (folder / "MANIFEST.json").unlink()
        manifest.seal(folder, 4)

    return build


def link(name: str, target: str = "thesis.tex") -> Callable[[Scene], None]:
    return lambda scene: scene.link(name.replace("PID", str(os.getpid())), target)


def link_to_a_link(scene: Scene) -> None:
    (scene.run / "journal.jsonl").rename(scene.run / "old.jsonl")
    scene.link("second.jsonl", "thesis.tex")
    (scene.run / "journal.jsonl").symlink_to("second.jsonl")


def link_inside(scene: Scene) -> None:
    """Appending to the log would append to the user's file beside it."""
    (scene.run / "clock.jsonl").symlink_to("mine.jsonl")


def config_outside(scene: Scene) -> None:
    (scene.run / "config.json").rename(scene.outside / "config.json")
    scene.link("config.json", "config.json")


def pipe(scene: Scene) -> None:
    os.mkfifo(scene.run / "clock.jsonl")


def begun_evaluation(name: str, target: str) -> Callable[[Scene], None]:
    """An evaluation that is not finished, one file of which is a link."""

    def build(scene: Scene) -> None:
        evaluate(scene)
        for gone in ("done.json", "summary.json", "responses.jsonl"):
            (scene.run / "evaluation" / EVALUATED / gone).unlink()
        scene.link(f"evaluation/{EVALUATED}/{name}", target)

    return build


def chain_log(scene: Scene) -> None:
    scene.link("logs/train.log", "thesis.tex")


Build = Callable[[Scene], None]

REFUSED: dict[str, tuple[Build, Build]] = {
    "lock is a link": (link(".lock"), go_on),
    "lock is a dangling link": (link(".lock", "new"), go_on),
    "journal is a link": (link("journal.jsonl"), go_on),
    "journal is a dangling link": (link("journal.jsonl", "new"), go_on),
    "journal is a link to a link": (link_to_a_link, go_on),
    "a log not yet begun is a link": (link("clock.jsonl"), go_on),
    "a log not yet begun is a dangling link": (link("clock.jsonl", "new"), go_on),
    "a log is a link to a file beside it": (link_inside, go_on),
    "a log is a pipe": (pipe, go_on),
    "config is a link": (config_outside, go_on),
    "done is a link": (link("done.json", "notes.jsonl"), go_on),
    "the probe is a link": (link("probe.json"), go_on),
    "checkpoints is a link": (link("checkpoints", "empty"), go_on),
    "checkpoints is a dangling link": (link("checkpoints", "new"), go_on),
    "a stray link leaves the folder": (link("notes", "empty"), go_on),
    "config names a log above": (config_logs(["journal", "../outside/notes"]), go_on),
    "config names a log by its whole path": (config_logs(["OUTSIDE/notes"]), go_on),
    "config names a file of the user as a log": (config_logs(["journal", "mine"]), go_on),
    "config names no list of logs": (config_logs("journal"), go_on),
    "config names logs that are no names": (config_logs([{"journal": 1}]), go_on),
    "state names a file above": (state_logs({"../outside/thesis.tex": 0}), go_on),
    "state names a file by its whole path": (state_logs({"OUTSIDE/thesis.tex": 3}), go_on),
    "state names the configuration as a log": (state_logs({"config.json": 0}), go_on),
    "state names a file of the user as a log": (state_logs({"mine.jsonl": 0}), go_on),
    "state has a length below nothing": (state_logs({"journal.jsonl": -1}), go_on),
    "state has a length of no number": (state_logs({"journal.jsonl": "0"}), go_on),
    "state is no object": (state_logs(None), go_on),
    "samples inside are a link": (link("samples", "empty"), draw_samples),
    "evaluation is a link": (link("evaluation", "empty"), evaluate),
    "an evaluation's folder is a link": (link(f"evaluation/{EVALUATED}", "empty"), evaluate),
    "an evaluation's lock is a link": (begun_evaluation(".lock", "thesis.tex"), evaluate),
    "an evaluation's responses are a dangling link": (begun_evaluation("responses.jsonl", "new"), evaluate),
    "a model's folder beside its run is a link": (link("theirs/run", "empty"), evaluate_beside),
    "an evaluation beside its run is a link": (link(f"theirs/run/{EVALUATED}", "empty"), evaluate_beside),
    "profile is a link": (link("profile", "empty"), profile),
    "faithfulness is a link": (link("faithfulness", "empty"), hint),
    "a page is a link": (link("index.html"), write_page),
    "a page's figures are a link": (link("figures", "empty"), write_page),
    "a chain's log is a link": (chain_log, run_chain),
    "a chain's logs are a link": (link("logs", "empty"), run_chain),
}
"""What to do to the folder, and what then must be refused with nothing changed."""

HARMLESS: dict[str, tuple[Build, Build]] = {
    "a checkpoint is a link": (link("checkpoints/step-000005", "whole"), go_on),
    "a checkpoint that leaves is a link": (link("checkpoints/step-000001", "whole"), go_on),
    "a checkpoint's weights are a link": (link(f"{NEWEST}/model.safetensors"), go_on),
    "a checkpoint's state is a link": (link(f"{NEWEST}/state.json", "whole/state.json"), go_on),
    "a checkpoint's seal is a link": (link(f"{NEWEST}/MANIFEST.json", "whole/MANIFEST.json"), go_on),
    "a replaced checkpoint is a link": (link("checkpoints/step-000003.old-7", "whole"), go_on),
    "a replaced checkpoint is a link, the new one whole": (link(f"{NEWEST}.old-7", "whole"), go_on),
    "an unfinished checkpoint is a link": (link("checkpoints/step-000006.tmp-7", "whole"), go_on),
    "an unfinished checkpoint is a dangling link": (link("checkpoints/step-000006.tmp-PID", "new"), go_on),
    "unfinished config is a link": (link("config.json.tmp-PID"), go_on),
    "unfinished probe is a link": (link("probe.json.tmp-PID"), go_on),
    "unfinished probe is a dangling link": (link("probe.json.tmp-PID", "new"), go_on),
}
"""What to do to the folder, and what then does its work all the same."""


@pytest.mark.parametrize(("build", "act"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_lead_out_of_a_folder_is_refused(
    scene: Scene, build: Build, act: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    build(scene)
    capsys.readouterr()
    outside, inside = state_of(scene.outside), in_run(scene)
    try:
        with pytest.raises((UserError, StorageError)) as caught:
            act(scene)
    finally:
        assert state_of(scene.outside) == outside
    assert in_run(scene) == inside
    said = capsys.readouterr().err or str(caught.value)
    assert said.strip().count("\n") == 0
    assert str(scene.root) in said
    assert "name another folder" in said


@pytest.mark.parametrize(("build", "act"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_is_ours_to_clear_away_is_cleared_without_being_followed(scene: Scene, build: Build, act: Build) -> None:
    build(scene)
    outside = state_of(scene.outside)
    try:
        act(scene)
    finally:
        assert state_of(scene.outside) == outside
    assert read_done(scene.run) == {"steps": 6}
    assert content_of(scene.run / "probe.json") == {"cap": 1}
    assert (scene.run / "mine.jsonl").read_text() == '{"precious": 1}\n'
    assert not manifest.verify_checkpoint(scene.run / "checkpoints/step-000006")
    assert not any(path.is_symlink() for path in scene.run.rglob("*.tmp-*"))


@pytest.mark.slow
def test_training_does_not_take_a_lock_that_is_a_link(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.link(".lock", "thesis.tex")
    outside = state_of(scene.outside)
    with pytest.raises(TerselyError):
        train(scene)
    assert state_of(scene.outside) == outside
    assert f"{scene.run / '.lock'} " in capsys.readouterr().err


def test_the_folder_that_is_named_may_be_a_link_and_hold_links_that_stay(scene: Scene) -> None:
    """Where a person puts their run is theirs to say: on another disk, behind a link, beneath a linked folder."""
    moved = scene.root / "big-disk/run"
    moved.parent.mkdir()
    scene.run.rename(moved)
    scene.run.symlink_to(moved)
    (scene.run / "newest").symlink_to("checkpoints/step-000004")
    go_on(scene)
    assert [line["step"] for line in read_log(moved / "journal.jsonl")] == [2, 4, 5]
    assert not manifest.verify_checkpoint(moved / "checkpoints/step-000006")
    (scene.root / "disk").symlink_to(scene.root / "big-disk")
    with RunFolder.open(scene.root / "disk/other", "train", CONFIG) as run:
        run.append("journal", [{"step": 1}])
    assert read_log(scene.root / "big-disk/other/journal.jsonl") == [{"step": 1}]


@pytest.mark.parametrize("write", [storage.append_lines, storage.truncate, storage.lock])
def test_no_storage_call_writes_through_a_link(tmp_path: Path, write: Callable[[Path, Any], object]) -> None:
    """Whatever was looked at before: the call itself does not follow."""
    (tmp_path / "victim").write_text("mine")
    for name, target in (("link", "victim"), ("dangling", "new")):
        (tmp_path / name).symlink_to(target)
        content = {storage.append_lines: ["line"], storage.truncate: 1, storage.lock: "text"}[write]
        with pytest.raises(StorageError, match=f"{name} .*symbolic link.*remove the link"):
            write(tmp_path / name, content)
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_new_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "link").symlink_to("victim")
    storage.write_file(tmp_path / "link", b"new")
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"
