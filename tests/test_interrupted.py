"""Stopped at any moment: what is said is true, the exit code names the signal, and no page is ever half written."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tersely import cli
from tersely.errors import StorageError
from tersely.runs import disk
from tersely.runs.files import write_folder
from tersely.stop import Interrupted, StopRequest


def ended(monkeypatch: pytest.MonkeyPatch, verb: str, handler: Callable[[argparse.Namespace], int]) -> int:
    parser = argparse.ArgumentParser()
    parser.set_defaults(verb=verb, handler=handler, debug=False)
    monkeypatch.setattr(cli, "build_parser", lambda: parser)
    return cli.main([])


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_ends_at_once_under_its_own_code(
    signum: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(args: argparse.Namespace) -> int:
        with StopRequest() as stop:
            os.kill(os.getpid(), signum)
            assert stop.requested == signum
            os.kill(os.getpid(), signum)
        raise AssertionError("went on")

    before = signal.getsignal(signum)
    assert ended(monkeypatch, "train", work) == code
    assert signal.getsignal(signum) == before
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("verb", [name.__name__.removeprefix("add_") for name in cli.VERBS])
def test_what_an_interrupted_verb_says_is_true_of_it(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert ended(monkeypatch, verb, work) == 130
    said = capsys.readouterr().err
    assert "checkpoint" not in said
    assert ("goes on from there" in said) == (verb in cli.GO_ON)
    assert ("saves nothing on the way" in said) == (verb not in cli.GO_ON)


def test_the_verbs_that_go_on_are_verbs() -> None:
    assert {name.__name__.removeprefix("add_") for name in cli.VERBS} >= cli.GO_ON


EARLY = """
import os, runpy, signal, sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "tersely.commands":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins deaf to it
sys.meta_path.insert(0, Impatient())
sys.argv = ["tersely", "--version"]
runpy.run_module("tersely", run_name="__main__")
"""


def test_a_ctrl_c_while_the_package_is_imported_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_signal_says_which_one_it_was() -> None:
    assert Interrupted(signal.SIGTERM).signum == signal.SIGTERM
    assert isinstance(Interrupted(signal.SIGTERM), KeyboardInterrupt)


class Refusing:
    """The disk is full at the n-th call of an operation."""

    def __init__(self, operation: str, calls: int) -> None:
        self.operation, self.calls = operation, calls

    def before(self, operation: str, path: Path) -> bool:
        if operation == self.operation:
            self.calls -= 1
            if self.calls == 0:
                raise OSError(28, "No space left on device")
        return False

    def after(self, operation: str, path: Path) -> None:
        return None


@pytest.mark.parametrize("operation", ["write_file", "rename"])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_page_is_the_old_one_or_the_new_one(operation: str, calls: int, tmp_path: Path) -> None:
    old = {Path("index.html"): b"old page", Path("tables/a.csv"): b"old table"}
    new = {path: content.replace(b"old", b"new") for path, content in old.items()}
    write_folder(tmp_path, old, "the page")
    with disk.observed_by(Refusing(operation, calls)), pytest.raises(StorageError, match="the page is not whole"):
        write_folder(tmp_path, new, "the page")
    for place, path in enumerate(old):
        assert (tmp_path / path).read_bytes() == (new if place < calls - 1 else old)[path]
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(tmp_path / path for path in old)


def test_a_page_is_never_there_in_part(tmp_path: Path) -> None:
    """What a reader sees between any two calls of the disk."""
    page = tmp_path / "index.html"
    seen = set()

    class Watching:
        def before(self, operation: str, path: Path) -> bool:
            seen.add(page.read_bytes() if page.exists() else b"none")
            return False

        def after(self, operation: str, path: Path) -> None:
            self.before(operation, path)

    disk.replace_file(page, b"old page")
    with disk.observed_by(Watching()):
        disk.replace_file(page, b"new page")
    assert seen == {b"old page", b"new page"}
