"""A thousand accidents to any file of any folder: what is read then is refused, or what it was."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from all_folders import (
    COMMANDS,
    EVALUATION,
    FAITHFULNESS,
    READERS,
    RESULTS,
    RUN,
    SAMPLES,
    Outcome,
    files_of,
    go_on,
    half_done,
    kept,
    look,
    make_all,
)
from damage import ACCIDENTS, damage

EACH = 170
"""Accidents a folder: six folders make a thousand."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    make_all(folder)
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if i % 2 else [pytest.mark.slow]) for i, name in enumerate(READERS)]
)
def test_no_accident_changes_a_number_or_a_decision_unseen(root: Path, name: str) -> None:
    rng, read = random.Random(name), READERS[name]
    files, wanted, outcomes = files_of(root, name), read(root / name), Counter[Outcome]()
    for i in range(EACH):
        path = files[i % len(files)]
        whole = path.read_bytes()
        accident = rng.choice(list(ACCIDENTS))
        if damage(path, accident, rng):
            outcome, said = look(read, root / name, wanted)
            assert outcome in (Outcome.SAME, Outcome.REFUSED), f"{accident}, {path}: {outcome}, {said}"
            assert outcome is Outcome.SAME or str(path.parent) in said, f"{accident}, {path}: {said}"
            outcomes[outcome] += 1
        path.write_bytes(whole)
    assert outcomes[Outcome.REFUSED] > EACH / 3
    assert read(root / name) == wanted


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(RUN, marks=pytest.mark.slow),
        EVALUATION,
        pytest.param(FAITHFULNESS, marks=pytest.mark.slow),
        SAMPLES,
    ],
)
def test_work_that_goes_on_after_an_accident_ends_as_without_it_or_is_refused(root: Path, name: str) -> None:
    """A small share of what scripts/soak does."""
    rng, wanted = random.Random(name), RESULTS[name](root / name)
    with kept(root / name) as folder:
        half_done(root, name)
        COMMANDS[name](root)
        assert RESULTS[name](folder) == wanted
    for _ in range(6):
        with kept(root / name) as folder:
            half_done(root, name)
            accident, path = rng.choice(list(ACCIDENTS)), rng.choice(files_of(root, name))
            damage(path, accident, rng)
            outcome, said = go_on(root, name, wanted)
            assert outcome in (Outcome.SAME, Outcome.REFUSED), f"{accident}, {path}: {outcome}, {said}"
            assert outcome is Outcome.SAME or str(folder) in said, f"{accident}, {path}: {said}"


def test_samples_cut_inside_a_block_end_with_the_same_log_probabilities(root: Path) -> None:
    """They used to differ in the last digit: the rest was drawn in batches of other rows."""
    wanted = RESULTS[SAMPLES](root / SAMPLES)
    with kept(root / SAMPLES) as folder:
        half_done(root, SAMPLES)
        log = folder / "groups.jsonl"
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
        COMMANDS[SAMPLES](root)
        assert RESULTS[SAMPLES](folder) == wanted
