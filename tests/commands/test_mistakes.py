"""The mistakes of a user, in two files under tests/data: each one sentence, the right exit code, nothing written, a
cure."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mistakes import Mistake, make_world, read, say, snapshot

MISTAKES = read()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("mistakes"))


def test_they_are_eighty_and_twenty_of_their_cures_are_obeyed() -> None:
    assert len({mistake.command for mistake in MISTAKES}) == len(MISTAKES) >= 80
    assert len({mistake.cure for mistake in MISTAKES if mistake.cure}) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.command)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(mistake: Mistake, world: Path) -> None:
    before = snapshot(world)
    assert say(mistake.command, world) == (mistake.code, f"tersely: {mistake.sentence}\n")
    assert mistake.code in (2, 3, 4)
    assert snapshot(world) == before


CURES = list(dict.fromkeys(mistake.cure for mistake in MISTAKES if mistake.cure))


@pytest.mark.slow
@pytest.mark.parametrize("cure", CURES)
def test_a_cure_that_is_obeyed_works(cure: str, world: Path) -> None:
    try:
        code, said = say(cure, world)
        assert code == 0, said
    finally:
        shutil.rmtree(world / "out", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["train --model nowhere", "verify", "waste"])
def test_in_a_process_of_its_own_nothing_else_is_said(verb: str, world: Path) -> None:
    """No library's warning, no traceback."""
    mistake = next(m for m in MISTAKES if m.command.startswith(f"tersely {verb}"))
    words = [sys.executable, "-m", "tersely", *shlex.split(mistake.command)[1:]]
    done = subprocess.run(words, cwd=world, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (mistake.code, "", f"tersely: {mistake.sentence}\n")
