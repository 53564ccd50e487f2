"""Hard days at random, for a bounded time: each part breaks one thing again and again and counts what comes of it.

``scripts/soak`` prints the counts; ``--write`` puts them into docs/reliability.md. Exit code 1 where a promise broke.
"""

from __future__ import annotations

import argparse
import errno
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import all_folders as made  # noqa: E402
from all_folders import Outcome  # noqa: E402
from crash import Refuser  # noqa: E402
from damage import ACCIDENTS, damage  # noqa: E402
from hostile import CONTENTS, PLACES, state_of  # noqa: E402
from tersely.errors import TerselyError  # noqa: E402
from tersely.jsonl import read_jsonl  # noqa: E402
from tersely.records import Status  # noqa: E402
from tersely.runs import disk  # noqa: E402
from tersely.verify import Judge  # noqa: E402

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: scripts/soak --write -->", "<!-- end of figures -->"
CASES = ("verify_cases.jsonl", "verify_blind.jsonl", "verify_blind_two.jsonl")
SECONDS = 60
"""What a command may take before it counts as hanging; each takes about one second."""
HUNG, TRACEBACK = "HUNG", Outcome.TRACEBACK.value
BAD = {Outcome.SILENT.value, TRACEBACK, HUNG, "OTHER END", "OUTSIDE CHANGED", "WORKER LOST", "CODE"}
"""Counts that must be zero."""
NAMES = list(made.RESULTS)


@dataclass(frozen=True)
class Scene:
    """A folder of every kind, finished, and what is read from them while they are whole."""

    root: Path
    readings: Mapping[str, Any]
    results: Mapping[str, Any]
    took: Mapping[str, float]
    """Seconds that each was made in."""

    @classmethod
    def made_in(cls, root: Path) -> Scene:
        root.mkdir()
        made.make_inputs(root)
        took = {}
        for name, make in made.COMMANDS.items():
            start = time.monotonic()
            make(root)
            took[name] = time.monotonic() - start
        readings = {name: read(root / name) for name, read in made.READERS.items()}
        return cls(root, readings, {name: read(root / name) for name, read in made.RESULTS.items()}, took)


@dataclass
class Part:
    """One thing that is broken, the promise about it, and the share of the time it gets."""

    name: str
    promise: str
    act: Callable[[Part, Scene, random.Random], None]
    share: float
    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    """What broke a promise, one line each."""

    def count(self, what: str, where: str) -> None:
        self.counts[what] += 1
        if what in BAD:
            self.told.append(f"{what}: {where}")

    def row(self) -> str:
        tries = self.counts["tried"]
        found = ", ".join(f"{count:,} {what}" for what, count in sorted(self.counts.items()) if what != "tried")
        broken = sum(count for what, count in self.counts.items() if what in BAD)
        return f"| {self.name} | {self.promise} | {tries:,} | {found} | {broken} |"


# ---- one process that may die


def in_child(work: Callable[[], object], said: Path, kill_after: float | None = None) -> str:
    """What became of ``work`` in a forked child: "done", an exit code of ours, "killed", "HUNG" or "TRACEBACK"."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(_code(work, said))
    end = time.monotonic() + (SECONDS if kill_after is None else kill_after)
    status = None
    while status is None and time.monotonic() < end:
        found, code = os.waitpid(pid, os.WNOHANG)
        status = code if found else None
        time.sleep(0.002)
    if status is None:
        os.killpg(pid, signal.SIGKILL) if kill_after is None else os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return HUNG if kill_after is None else "killed"
    code = os.waitstatus_to_exitcode(status)
    return {0: "done", 99: TRACEBACK}.get(code, str(code))


def _code(work: Callable[[], object], said: Path) -> int:
    with said.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        try:
            work()
        except TerselyError as error:
            print(error, file=sys.stderr, flush=True)
            return error.exit_code
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            return 99
    return 0


# ---- the parts


def accident(part: Part, scene: Scene, rng: random.Random) -> None:
    """To any file of a finished folder; then everything is read."""
    root, name = scene.root, rng.choice(list(made.READERS))
    path, what = rng.choice(made.files_of(root, name)), rng.choice(list(ACCIDENTS))
    whole = path.read_bytes()
    if damage(path, what, rng):
        outcome, text = made.look(made.READERS[name], root / name, scene.readings[name])
        part.count("tried", "")
        part.count(outcome.value, f"{what}, {path.relative_to(root)}: {text}")
    path.write_bytes(whole)


def accident_and_go_on(part: Part, scene: Scene, rng: random.Random) -> None:
    """To any file of work that is half done; then the same command goes on."""
    root, name, what = scene.root, rng.choice(NAMES), rng.choice(list(ACCIDENTS))
    with made.kept(root / name):
        made.half_done(root, name)
        path = rng.choice(made.files_of(root, name))
        if damage(path, what, rng):
            outcome, text = made.go_on(root, name, scene.results[name])
            part.count("tried", "")
            part.count(outcome.value, f"{what}, {path.relative_to(root)}: {text}")


def kills(part: Part, scene: Scene, rng: random.Random) -> None:
    """SIGKILL at random moments until one try gets through; then the end is what it is without."""
    root, name, said = scene.root, rng.choice(NAMES), scene.root / "said"
    with made.kept(root / name):
        shutil.rmtree(root / name)
        for _ in range(6):
            found = in_child(lambda: made.COMMANDS[name](root), said, kill_after=rng.uniform(0, scene.took[name]))
            known = {"killed": "killed", "done": "not reached", TRACEBACK: TRACEBACK}
            part.count(known.get(found, "CODE"), f"{name}: {said.read_text()[-600:]}")
            if found == "done":
                break
        _ends_as(part, scene, name)


def refusals(part: Part, scene: Scene, rng: random.Random) -> None:
    """The n-th write fails, once or from then on, whole or half done; then the disk is well again."""
    root, name, said = scene.root, rng.choice(NAMES), scene.root / "said"
    code, torn, for_good = rng.choice([errno.ENOSPC, errno.EIO, errno.EDQUOT]), rng.random() < 0.5, rng.random() < 0.5
    nth = rng.randrange(24)

    def work() -> None:
        with disk.observed_by(Refuser(nth, code, torn=torn, for_good=for_good)):
            made.COMMANDS[name](root)

    with made.kept(root / name):
        shutil.rmtree(root / name)
        found = in_child(work, said)
        known = {"4": "refused", "done": "not reached", TRACEBACK: TRACEBACK, HUNG: HUNG}
        where = f"{name}, write {nth}, {errno.errorcode[code]}: {said.read_text()[-600:]}"
        part.count(known.get(found, "CODE"), where)
        _ends_as(part, scene, name)


def _ends_as(part: Part, scene: Scene, name: str) -> None:
    outcome, text = made.go_on(scene.root, name, scene.results[name])
    part.count("tried", "")
    part.count("ended the same" if outcome is Outcome.SAME else "OTHER END", f"{name}: {outcome.value}, {text}")


def hostile_file(part: Part, scene: Scene, rng: random.Random) -> None:
    """Any file of a half done folder is a link, a pipe, a folder or nonsense; then the command goes on."""
    root, name = scene.root, rng.choice(list(made.COMMANDS))
    with made.kept(root / name), tempfile.TemporaryDirectory(dir=root.parent) as aside:
        made.half_done(root, name)
        file = rng.choice(made.files_of(root, name))
        _command_on_hostile(part, root, file, Path(aside), made.COMMANDS[name], rng)


def hostile_model(part: Part, scene: Scene, rng: random.Random) -> None:
    """The same with the files of a model that somebody else made; then it is measured."""
    root = scene.root
    with made.kept(root / "model"), tempfile.TemporaryDirectory(dir=root.parent) as aside:
        file = rng.choice(sorted(path for path in (root / "model").rglob("*") if path.is_file()))
        with made.kept(root / made.FAITHFULNESS):
            shutil.rmtree(root / made.FAITHFULNESS)
            _command_on_hostile(part, root, file, Path(aside), made.hint, rng)
            (root / made.FAITHFULNESS).mkdir(exist_ok=True)


def _command_on_hostile(
    part: Part, root: Path, file: Path, outside: Path, command: Callable[[Path], object], rng: random.Random
) -> None:
    kind = rng.choice([*PLACES, *CONTENTS])
    (PLACES | CONTENTS)[kind](file, outside)  # type: ignore[operator]
    before = state_of(outside)
    found = in_child(lambda: command(root), root / "said")
    where = f"{file.relative_to(root)} is {kind}: {(root / 'said').read_text()[-600:]}"
    part.count("tried", "")
    part.count({"done": "done", TRACEBACK: TRACEBACK, HUNG: HUNG}.get(found, "refused"), where)
    if state_of(outside) != before:
        part.count("OUTSIDE CHANGED", where)


NEEDS_WORKER = ("[0,2]", "\\boxed{[0,1]\\cup(1,2]}", "math")
"""Right, and only a worker can tell."""
JUDGES: list[Judge] = []
"""One for the whole time: what an answer breaks, the next ones see."""


def answers(part: Part, scene: Scene, rng: random.Random) -> None:
    """A batch of answers from the case files, mixed and mutilated."""
    rows = [row for name in CASES for _, row in read_jsonl(ROOT / "tests" / "data" / name)]
    if not JUDGES:
        JUDGES.append(Judge(workers=2, cpu_seconds=1.0))
    asked = [(rng.choice(rows)["gold"], _mutilated(rng.choice(rows)["response"], rng), "math") for _ in range(50)]
    try:
        found = JUDGES[0].judge(asked)
    except Exception as error:  # whatever it is: no answer may end a run
        part.count(TRACEBACK, repr(error))
        return
    part.counts["tried"] += len(found)
    part.counts.update(verdict.status.value for verdict in found)
    if JUDGES[0].judge([NEEDS_WORKER])[0].status is not Status.CORRECT:
        part.count("WORKER LOST", "")


def _mutilated(text: str, rng: random.Random) -> str:
    """Pieces doubled, lost and moved, as a model that samples badly writes them."""
    for _ in range(rng.randint(0, 4)):
        first = rng.randrange(len(text) + 1)
        last = rng.randint(first, min(len(text), first + 40))
        piece = text[first:last]
        text = rng.choice([text[:first] + text[last:], text[:last] + piece * rng.choice([1, 3, 200]) + text[last:],
                           piece + text, text + f"\\boxed{{{piece}}}"])  # fmt: skip
    return text[:20_000]


def parts() -> list[Part]:
    return [
        Part("accidents to files", "damage is named, or changes nothing", accident, 0.12),
        Part("accidents, then going on", "the same end, or a refusal", accident_and_go_on, 0.18),
        Part("SIGKILL at random moments", "the same bits in the end", kills, 0.22),
        Part("full and failing disk", "one sentence, then the same bits", refusals, 0.18),
        Part("hostile run folders", "no traceback, no waiting, no write outside", hostile_file, 0.12),
        Part("hostile model folders", "no traceback, no waiting, no write outside", hostile_model, 0.10),
        Part("hostile answers", "a verdict for each, no worker lost", answers, 0.08),
    ]


def soak(seconds: float, seed: int) -> list[Part]:
    found = parts()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        scene = Scene.made_in(Path(folder) / "all")
        for part in found:
            rng, end = random.Random(f"{seed} {part.name}"), time.monotonic() + seconds * part.share
            while time.monotonic() < end:
                part.act(part, scene, rng)
            print(part.row(), flush=True)
        for judge in JUDGES:
            judge.close()
    return found


def write_page(found: list[Part], seconds: float, seed: int) -> None:
    """The table between the marks of docs/reliability.md."""
    text = PAGE.read_text(encoding="utf-8")
    head = "| what is broken | promise | tried | what came of it | broken promises |\n|---|---|---|---|---|"
    when = f"{seconds:,.0f} seconds on a {platform.machine()} CPU, seed {seed}, {time.strftime('%Y-%m-%d')}."
    table = "\n".join([head, *(part.row() for part in found), "", when])
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Breaks things at random for a bounded time and counts what follows.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/reliability.md")
    args = parser.parse_args()
    found = soak(args.seconds, args.seed)
    broken = [line for part in found for line in part.told]
    print(*broken[:50], sep="\n", file=sys.stderr)
    if args.write:
        write_page(found, args.seconds, args.seed)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
