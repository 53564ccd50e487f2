"""The examples run as their first lines say, from a folder that is not the clone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tersely
from tersely import Judge, Problem, Status
from tersely.records import content_id
from tersely.tasks import load_task
from tiny_models import make_model_folder

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *words: str | Path, cwd: Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_an_own_task_is_trained_on_and_measured(tmp_path: Path) -> None:
    said = run("own_task.py", "--out", "out", "--steps", "2", cwd=tmp_path)
    steps = re.findall(r"step (\d): accuracy \d+\.\d%, \d+\.\d tokens a response", said)
    assert steps == ["1", "2"]
    assert re.search(r"held out: accuracy \d+\.\d% \[\d+\.\d%, \d+\.\d%\], \d+\.\d \(no interval: too few to say", said)
    kept = tersely.load_run(tmp_path / "out/run")
    assert kept.finished
    assert kept.config["verifier"] == "own_verifier:says_both"
    (measured,) = kept.evaluations.values()
    # 45 pairs of digits, of which 32 are trained on; 8 responses each.
    assert measured.summary.overall.responses == 13 * 8
    assert measured.summary.overall.unjudged_responses == 0
    # Even a model of random weights says two digits now and then: the verifier is asked, and answers.
    assert 0.0 < measured.summary.overall.accuracy.value < 1.0


def test_the_verifier_of_the_own_task_grades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    problem = Problem(content_id("q", None), "q", None, "math", "s", payload={"digits": ["3", "7"]})
    responses = ["so 7 and 3", "7 = 7", "no", "37"]
    with Judge(verifier="own_verifier:says_both", workers=1) as judge:
        found = judge.grade([(problem, response) for response in responses])
    assert [verdict.score for verdict in found] == [1.0, 0.5, 0.0, 0.0]
    assert [verdict.status for verdict in found] == [Status.CORRECT] + [Status.WRONG] * 3


@pytest.mark.slow
def test_the_code_task_is_trained_on_and_measured(tmp_path: Path) -> None:
    make_model_folder(tmp_path / "model")
    said = run("code_task/run.py", "model", "--out", "run", "--cap", "24", "--steps", "1", cwd=tmp_path)
    # Two problems are held out, four responses each; random weights write no code, and that is wrong, not unjudged.
    assert re.fullmatch(r"step 1: 0.0% pass, .*\nheld out: 0.0% pass, \d+ tokens, 0 not judged\n", said)
    kept = tersely.load_run(tmp_path / "run")
    assert (kept.finished, kept.config["verifier"]) == (True, "verifier:check")


BEGINNING = "def add(a, b):\n    return a + b\n"


@pytest.mark.slow
def test_what_the_readme_says_of_the_limits_is_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "code_task"))
    add = load_task(EXAMPLES / "code_task/code.jsonl", "train", verified=True)[0]
    small, large = tmp_path / "small", tmp_path / "large"
    written = {
        "right": (BEGINNING, Status.CORRECT),
        "poisons the checker": ("import verifier\nverifier._same = lambda *_: True\n" + BEGINNING, Status.CORRECT),
        "wrong, right after it": ("def add(a, b):\n    return 0", Status.WRONG),
        "never ends": ("while True: pass", Status.WRONG),
        "never ends in C": ("sum(range(10**12))", Status.UNJUDGED),
        "writes a little": (f"open({str(small)!r}, 'wb').write(bytes(2**20))\n" + BEGINNING, Status.CORRECT),
        "writes much": (f"open({str(large)!r}, 'wb').write(bytes(2**25))\n" + BEGINNING, Status.WRONG),
    }
    responses = [(add, f"```python\n{code}\n```") for code, _ in written.values()]
    with Judge(verifier="verifier:check", workers=1) as judge:
        found = [verdict.status for verdict in judge.grade(responses)]
    assert dict(zip(written, found, strict=True)) == {name: status for name, (_, status) in written.items()}
    assert small.stat().st_size == 2**20
    assert large.stat().st_size <= 2**24
