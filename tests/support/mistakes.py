"""The mistakes of a user: commands in tests/data/mistakes.txt and more_mistakes.txt, run in a small world of files.

``python tests/support/mistakes.py`` writes the exit codes and sentences anew, for a person to read the difference.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tersely.cli import main
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

PLACES = [Path(__file__).parents[1] / "data" / name for name in ("mistakes.txt", "more_mistakes.txt")]


@dataclass(frozen=True)
class Mistake:
    """A block of the file: ``$ command``, ``CODE sentence``, and where the cure is obeyed ``> command``."""

    command: str
    code: int = 0
    sentence: str = ""
    cure: str | None = None

    def text(self) -> str:
        lines = [f"$ {self.command}", f"{self.code} {self.sentence}", *([f"> {self.cure}"] if self.cure else [])]
        return "\n".join(lines) + "\n"


def parse(text: str) -> list[str | Mistake]:
    """Mistakes, and between them the lines that are none."""
    found: list[str | Mistake] = []
    for line in text.splitlines():
        last = found[-1] if found else ""
        if line.startswith("$ "):
            found.append(Mistake(line[2:]))
        elif line.startswith("> ") and isinstance(last, Mistake):
            found[-1] = replace(last, cure=line[2:])
        elif isinstance(last, Mistake) and line and not line.startswith("#"):
            code, _, sentence = line.partition(" ")
            found[-1] = replace(last, code=int(code), sentence=sentence)
        elif line:
            found.append(line)
    return found


def read() -> list[Mistake]:
    parts = [part for place in PLACES for part in parse(place.read_text(encoding="utf-8"))]
    return [part for part in parts if isinstance(part, Mistake)]


def make_world(folder: Path) -> Path:
    """What a user has lying about. Everything here is named in the head of mistakes.txt."""
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held_out.jsonl", count=3, start=50)
    make_task(folder / "many.jsonl", count=330, start=100)
    with inside(folder):
        train_for_odd_texts(settings(Path("."), run={"steps": 1}), Path("run"))
        for name, content in FILES.items():
            Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        for name, missing in (("no-weights", "model.safetensors"), ("no-tokenizer", "tokenizer.json")):
            shutil.copytree("model", name, ignore=shutil.ignore_patterns(missing))
        shutil.copytree(PLACES[0].parent / "logs" / "inspect", "logs")
        Path("thesis").mkdir()
        Path("dangling").symlink_to("nowhere/at/all")
        Path("thesis/chapter.tex").write_text("mine")
        shutil.copytree("model", "torn-model")
        weights = Path("torn-model/model.safetensors")
        weights.write_bytes(weights.read_bytes()[:1000])
    return folder


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


FILES: dict[str, str | bytes] = {
    "empty.jsonl": "",
    "data.csv": "problem,answer\nWhat is 1+1?,2\n",
    "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "list.json": json.dumps([{"problem": "What is 1+1?", "answer": "2"}], indent=1),
    "no-answer.jsonl": lines({"problem": "What is 1+1?"}),
    "other-names.jsonl": lines({"question": "What is 1+1?", "solution": "2"}),
    "twice.jsonl": lines({"problem": "What is 1+1?", "answer": "2"}, {"problem": "What is 1+1?", "answer": "2"}),
    "half.jsonl": lines({"problem": "What is 1+1?", "answer": "2"}) + '{"problem": "What is 2+2?", "ans',
    "latin1.jsonl": '{"problem": "Größe?", "answer": "2"}\n'.encode("latin-1"),
    "answers.jsonl": lines({"gold": "2", "response": "\\boxed{2}"}),
    "no-gold.jsonl": lines({"response": "\\boxed{2}"}),
    "bad-kind.jsonl": lines({"gold": "2", "response": "\\boxed{2}", "kind": "maths"}),
    "lengths.jsonl": lines({"group": "a", "correct": True, "length": 5}, {"group": "a", "correct": False, "length": 9}),
    "no-length.jsonl": lines({"group": "a", "correct": True}),
    "log.jsonl": lines({"problem": "What is 1+1?", "answer": "2", "response": "It is \\boxed{2}."}),
    "no-response.jsonl": lines({"problem": "What is 1+1?", "answer": "2"}),
    "notes.txt": "mine",
    "bad.toml": "model = \n",
    "unknown.toml": 'model = "model"\ntask = "task.jsonl"\n[learner]\nlr = 1e-5\n',
    "good.toml": 'model = "model"\ntask = "task.jsonl"\ntemplate = "question"\n[sampling]\nprompts = 4\n'
    "n = 4\nmax_new_tokens = 24\n[run]\nsteps = 1\nthreads = 1\njudge_workers = 1\nall_wrong_stop = 0\n",
    "wrong-section.toml": 'model = "model"\ntask = "task.jsonl"\n[training]\nsteps = 5\n',
    "chat.jsonl": lines({"messages": [{"role": "user", "content": "What is 1+1?"}], "answer": "2"}),
    "phrases.toml": "doubt = 3\n",
    "utf-16.toml": 'model = "model"\n'.encode("utf-16"),
    "machine.json": '{"flops": "many"}\n',
}


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def say(command: str, world: Path) -> tuple[int, str]:
    """Exit code and standard error of a command of ours, run in this process; paths into the world are relative."""
    errors = io.StringIO()
    with inside(world), contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(shlex.split(command)[1:])
        except SystemExit as left:  # argparse
            code = int(left.code or 0)
    return code, errors.getvalue().replace(f"{world.resolve()}/", "")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file and folder of the world."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def write_anew() -> None:
    """What is said now, in place of what the files have."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        said = {mistake.command: say(mistake.command, world) for mistake in read()}
    for place in PLACES:
        parts = parse(place.read_text(encoding="utf-8"))
        place.write_text("".join(_text(part, said) for part in parts), encoding="utf-8")


def _text(part: str | Mistake, said: dict[str, tuple[int, str]]) -> str:
    if isinstance(part, str):
        return f"\n{part}\n" if part.startswith("## ") else f"{part}\n"
    code, sentence = said[part.command]
    shown = " / ".join(sentence.removeprefix("tersely: ").splitlines())
    return f"\n{replace(part, code=code, sentence=shown).text()}"


if __name__ == "__main__":
    write_anew()
