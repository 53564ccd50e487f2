"""Every file of every kind of folder in turn, as somebody else could send it: no file outside is written or made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from all_folders import BASELINE, COMMANDS, EVALUATION, FAITHFULNESS, PROFILE, RUN, SAMPLES, half_done, kept, make_all
from hostile import PLACES, Hostile, state_of
from tersely.errors import TerselyError

FILES = {
    RUN: "config done sealed probe trained_on unjudged model_check journal clock samples",
    EVALUATION: "config done sealed expected summary model_check responses",
    PROFILE: "config done sealed expected summary profile model_check responses",
    FAITHFULNESS: "config done sealed summary model_check responses",
    SAMPLES: "config done sealed trained_on model_check groups clock",
    BASELINE: "config done sealed trained_on model_check journal clock",
}
"""What lies at the top of each, by stem."""
LOGS = {"journal", "clock", "samples", "responses", "groups"}
FOLDERS = {RUN: ("evaluation", "profile")}


def top(name: str) -> list[str]:
    files = [f"{stem}.jsonl" if stem in LOGS else f"{stem}.json" for stem in FILES[name].split()]
    return [*files, ".lock", "checkpoints", *FOLDERS.get(name, ())]


def refusal(work: Callable[[], object]) -> str:
    """The sentence that work was refused with, or nothing."""
    try:
        work()
    except TerselyError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    make_all(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_list_holds_every_file_of_the_layout(root: Path, name: str) -> None:
    assert sorted(top(name)) == sorted(path.name for path in (root / name).iterdir())


@pytest.mark.parametrize("hostile", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == EVALUATION else pytest.mark.slow) for name in FILES],
)
def test_no_file_in_the_place_of_ours_leads_a_write_elsewhere(
    root: Path, tmp_path: Path, name: str, hostile: Hostile
) -> None:
    for file in top(name):
        with kept(root / name) as folder:
            half_done(root, name)
            place, outside = folder / file, tmp_path / file
            outside.mkdir()
            (outside / "thesis.tex").write_text("mine")
            if not place.exists():
                place.write_text("{}")
            hostile(place, outside)
            before, mine = state_of(outside), list(folder.rglob("mine.txt"))
            said = refusal(lambda: COMMANDS[name](root))
            assert said == "" or (str(folder) in said and "\n" not in said), f"{file}: {said}"
            assert state_of(outside) == before, file
            assert not (outside / "new").exists()
            assert [path.read_text() for path in mine] == ["precious\n"] * len(mine), file
