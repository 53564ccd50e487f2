"""A caller's own verifier: what it may say, every way in which it may fail, and what of it is left behind."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from tersely.cli import main
from tersely.errors import RunError, UserError
from tersely.records import Problem, Status, Verdict, content_id
from tersely.verify import Judge, verifier_key

MODULE = """
import os, subprocess, sys, time
from tersely.records import Status, Verdict

kept = []

def by_request(problem, response):
    what, _, rest = response.partition(" ")
    return DO[what](problem, rest)

def spin(problem, rest):
    while True:
        pass

def hog(problem, rest):
    return len(bytearray(10**12)) > 0

def prints(problem, rest):
    print('{"status": "CORRECT", "reason": "forged", "seconds": 0}', flush=True)
    os.write(1, b"not even JSON")
    return False

def reads(problem, rest):
    return sys.stdin.read() == ""

def remembers(problem, rest):
    kept.append(rest)
    return len(kept) == 1

def starts(problem, rest):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(rest, "w").write(str(child.pid))
    if problem.question == "and hangs":
        time.sleep(600)
    return True

def forks(problem, rest):
    return os.fork() > 0

def raises(problem, rest):
    raise KeyError(f"no {rest}\\nsecond line")

def fills(problem, rest):
    with open(rest, "wb") as file:
        file.write(b"x" * 2**25)
    return True

DO = {
    "spin": spin, "hog": hog, "prints": prints, "reads": reads, "remembers": remembers, "starts": starts,
    "forks": forks, "raises": raises, "fills": fills,
    "sleep": lambda problem, rest: time.sleep(600),
    "leave": lambda problem, rest: sys.exit(3),
    "exit": lambda problem, rest: os._exit(int(rest)),
    "crash": lambda problem, rest: os.abort(),
    "same": lambda problem, rest: rest == problem.answer,
    "question": lambda problem, rest: rest == problem.question,
    "payload": lambda problem, rest: len(problem.payload["tests"]) / 4,
    "float": lambda problem, rest: float(rest),
    "int": lambda problem, rest: int(rest),
    "numpy": lambda problem, rest: __import__("numpy").bool_(rest == "True"),
    "none": lambda problem, rest: None,
    "text": lambda problem, rest: "x" * 1000,
    "verdict": lambda problem, rest: Verdict(Status[rest], "42", "as I say"),
    "graded": lambda problem, rest: Verdict(Status.WRONG, None, "half\\ud800", score=0.5),
    "badverdict": lambda problem, rest: Verdict("CORRECT", 42, None),
    "length": lambda problem, rest: len(rest) == 300_000,
}

def one_argument(response):
    return True

value = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_verifiers.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_verifiers"
    sys.modules.pop("own_verifiers", None)


def problem(question: str = "q", answer: str | None = None, **payload: object) -> Problem:
    return Problem(content_id(question, answer), question, answer, "math", "test", payload=MappingProxyType(payload))


def grade(judge: Judge, *responses: str, of: Problem | None = None) -> list[Verdict]:
    return judge.grade([(of or problem(), response) for response in responses])


def test_a_bool_a_number_and_a_verdict_are_taken_in_order(module: str) -> None:
    asked = problem("What?", "7", tests=["a", "b", "c"])
    responses = ["same 7", "same 8", "question What?", "payload", "float 1", "float 0.25", "int 0", "numpy True"]
    responses += ["verdict NO_ANSWER", "graded", "remembers a", "remembers b", "length " + "x" * 300_000]
    with Judge(verifier=f"{module}:by_request", cpu_seconds=5) as judge:
        found = grade(judge, *responses, of=asked)
        assert judge.check_golds([("", "math"), ("9^{9^{9^9}}", "no such kind")]) == [None, None]
        assert judge.unjudged == {}
    assert " ".join(v.status[0] for v in found) == "C W C W C W W C N W C C C"  # CORRECT, WRONG, NO_ANSWER
    assert [v.credit for v in found] == [1, 0, 1, 0.75, 1, 0.25, 0, 1, 0, 0.5, 1, 1, 1]
    assert (found[8].extracted, found[8].reason, found[8].score) == ("42", "as I say", None)
    assert found[9].reason == "half?"  # half of a surrogate pair would stop every file from being written
    assert all(0 <= v.seconds < 5 for v in found)


NONSENSE = {
    "none": "the verifier returned None (NoneType), where a Verdict, a bool or a number from 0 to 1 is wanted",
    "float 2.5": "the verifier returned 2.5 (float), where a Verdict, a bool or a number from 0 to 1 is wanted",
    "float nan": "the verifier returned nan (float), where a Verdict, a bool or a number from 0 to 1 is wanted",
    "float -0.1": "the verifier returned -0.1 (float), where a Verdict, a bool or a number from 0 to 1 is wanted",
    "text": f"the verifier returned '{'x' * 79} (str), where a Verdict, a bool or a number from 0 to 1 is wanted",
    "raises pen": "the verifier raised KeyError: 'no pen\\nsecond line'",
    "leave": "the verifier raised SystemExit: 3",
    "exit 3": "crashed: exit 3",
    "exit 0": "crashed: exit 0",
    "exit 77": "crashed: exit 77",
    "crash": "crashed: exit -6",
    "hog": "crashed: out of memory",
    "unknown": "the verifier raised KeyError: 'unknown'",
    "spin": "timeout: more than 0.3 CPU seconds",
    "sleep": "timeout: the wall-clock safety net",
}


@pytest.mark.slow
def test_what_raises_hangs_dies_or_says_nonsense_is_unjudged_and_costs_no_neighbour_anything(module: str) -> None:
    responses = [text for bad in NONSENSE for text in (bad, "same 7")]
    with Judge(verifier=f"{module}:by_request", cpu_seconds=0.3) as judge:
        found = grade(judge, *responses, of=problem("q", "7"))
        assert judge.pool.restarts == 0
        assert len(judge.unjudged) == len(NONSENSE)
        kept = dict(judge.unjudged)
    assert {v.status for v in found[::2]} == {Status.UNJUDGED}
    assert {response: v.reason for response, v in zip(responses[::2], found[::2], strict=True)} == NONSENSE
    assert {v.status for v in found[1::2]} == {Status.CORRECT}
    with Judge(verifier=f"{module}:by_request", known=kept) as again:
        again.pool.run = lambda requests: [] if not requests else pytest.fail("asked again")  # type: ignore[method-assign]
        assert grade(again, *responses[::2], of=problem("q", "7")) == found[::2]
        assert again.unjudged == kept


def test_a_bad_verdict_is_nonsense_too(module: str) -> None:
    with Judge(verifier=f"{module}:by_request") as judge:
        verdict = grade(judge, "badverdict")[0]
    assert verdict.status is Status.UNJUDGED
    assert verdict.reason.startswith("the verifier returned Verdict(status='CORRECT'")


def test_who_prints_reads_or_forks_does_not_disturb_the_protocol(module: str) -> None:
    with Judge(workers=1, verifier=f"{module}:by_request") as judge:
        found = grade(judge, "prints", "reads", "forks", "same 7", of=problem("q", "7"))
        assert judge.pool.restarts == 0
    assert [v.status for v in found] == [Status.WRONG, Status.CORRECT, Status.CORRECT, Status.CORRECT]


def test_a_file_may_grow_to_the_limit_and_no_further(module: str, tmp_path: Path) -> None:
    with Judge(workers=1, verifier=f"{module}:by_request") as judge:
        verdict = grade(judge, f"fills {tmp_path / 'big'}")[0]
    assert verdict.reason == "the verifier raised OSError: [Errno 27] File too large"
    assert (tmp_path / "big").stat().st_size <= 16 * 2**20


def gone(pid: int) -> bool:
    """Within ten seconds; a zombie that nobody reaps counts as gone."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_what_a_verifier_started_ends_with_its_answer(module: str, tmp_path: Path) -> None:
    with Judge(workers=1, verifier=f"{module}:by_request", cpu_seconds=0.3) as judge:
        assert grade(judge, f"starts {tmp_path / 'one'}")[0].status is Status.CORRECT
        late = grade(judge, f"starts {tmp_path / 'two'}", of=problem("and hangs"))[0]
        assert late.reason == "timeout: the wall-clock safety net"
        assert all(gone(int((tmp_path / name).read_text())) for name in ("one", "two"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_closing_ends_a_verifier_at_work_and_all_it_started(module: str, tmp_path: Path) -> None:
    judge = Judge(workers=1, verifier=f"{module}:by_request", cpu_seconds=60)
    judge.begin_grading(problem("and hangs"), f"starts {tmp_path / 'pid'}")
    for _ in range(1000):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.02)
    judge.close()
    assert gone(int((tmp_path / "pid").read_text()))
    with pytest.raises(RunError, match="closed"):
        grade(judge, "same 7")


@pytest.mark.slow
def test_begun_early_is_the_same_verdict(module: str) -> None:
    responses = ["same 7", "none", "same 7", "float 0.5"]
    with Judge(verifier=f"{module}:by_request") as judge:
        for response in reversed(responses):
            judge.begin_grading(problem("q", "7"), response)
        early = grade(judge, *responses, of=problem("q", "7"))
    with Judge(verifier=f"{module}:by_request") as judge:
        late = grade(judge, *responses, of=problem("q", "7"))
    assert [replace(v, seconds=0) for v in early] == [replace(v, seconds=0) for v in late]


def test_an_interrupt_leaves_no_reply_for_the_next_question(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Judge(workers=1, verifier=f"{module}:by_request") as judge:
        poll = judge.pool._poll
        monkeypatch.setattr(judge.pool, "_poll", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            grade(judge, "same 7", of=problem("q", "7"))
        monkeypatch.setattr(judge.pool, "_poll", poll)
        assert grade(judge, "same 8", of=problem("q", "7"))[0].status is Status.WRONG


def test_threads_share_a_verifier(module: str) -> None:
    results: dict[int, list[Status]] = {}
    with Judge(verifier=f"{module}:by_request") as judge:

        def work(n: int) -> None:
            results[n] = [v.status for v in grade(judge, f"same {n}", "same x", of=problem("q", str(n)))]

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {n: [Status.CORRECT, Status.WRONG] for n in range(4)}


def test_the_key_knows_verifier_problem_payload_and_response() -> None:
    base = problem("q", None, tests=["a"])
    keys = [
        verifier_key("m:f", base, "r"),
        verifier_key("m:g", base, "r"),
        verifier_key("m:f", base, "s"),
        verifier_key("m:f", problem("p", None, tests=["a"]), "r"),
        verifier_key("m:f", problem("q", None, tests=["b"]), "r"),
    ]
    assert len(set(keys)) == 5
    assert verifier_key("m:f", problem("q", None, tests=["a"]), "r") == keys[0]


# --- refused before anything is judged ------------------------------------------------------------------------------


def nested() -> Callable[[Problem, str], bool]:
    def inner(problem: Problem, response: str) -> bool:
        return True

    return inner


def plain(problem: Problem, response: str, strict: bool = False) -> bool:
    return strict


@pytest.mark.parametrize(
    "verifier",
    [lambda problem, response: True, nested(), functools.partial(plain, strict=True)],
    ids=["lambda", "nested", "partial"],
)
def test_what_no_fresh_process_can_import_is_refused_with_the_cure(verifier: Callable[[Problem, str], bool]) -> None:
    with pytest.raises(UserError, match=r"cannot be imported in a fresh process.*put it in a module file"):
        Judge(verifier=verifier)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_verifiers:absent", "has no attribute 'absent'"),
        ("own_verifiers", "is not of the form package.module:Name"),
        ("own_verifiers:one_argument", r"must take \(problem, response\), and it does not"),
        ("own_verifiers:value", r"is no function or class: it must take \(problem, response\)"),
    ],
)
def test_a_verifier_that_cannot_work_is_refused_by_name(module: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Judge(verifier=name)


def test_a_module_that_fails_only_in_the_fresh_process_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os\nif 'ONLY_HERE' not in os.environ:\n    raise OSError('no ONLY_HERE')\n"
    (tmp_path / "picky.py").write_text(code + "def f(problem, response): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ONLY_HERE", "1")
    with pytest.raises(UserError, match=r"'picky:f' cannot be loaded in a fresh process: .*OSError: no ONLY_HERE"):
        Judge(verifier="picky:f")


def test_a_payload_that_is_no_json_is_named(module: str) -> None:
    with Judge(verifier=f"{module}:by_request") as judge, pytest.raises(UserError, match="JSON values"):
        grade(judge, "same 7", of=problem("q", "7", tests=object()))


def test_bare_answers_are_refused_where_a_verifier_decides(module: str) -> None:
    with (
        Judge(verifier=f"{module}:by_request") as judge,
        pytest.raises(UserError, match="grades responses to problems"),
    ):
        judge.judge([("1", "\\boxed{1}", "math")])


# --- scripts and commands -------------------------------------------------------------------------------------------

SCRIPT = """
from tersely.records import Problem, content_id
from tersely.verify import Judge

def shorter(problem, response):
    return len(response) < len(problem.question)

def work():
    problem = Problem(content_id("abc", None), "abc", None, "math", "script")
    with Judge(workers=1, verifier=shorter) as judge:
        print([v.status.value for v in judge.grade([(problem, "a"), (problem, "abcd")])], judge.verifier)
"""


def run_script(folder: Path, ending: str) -> subprocess.CompletedProcess[str]:
    (folder / "script").write_text(SCRIPT + ending)  # no .py: found by its file, whatever that is called
    return subprocess.run(
        [sys.executable, str(folder / "script")], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_a_function_of_the_running_script_works(tmp_path: Path) -> None:
    done = run_script(tmp_path, "\nif __name__ == '__main__':\n    work()\n")
    assert done.stdout.strip() == "['CORRECT', 'WRONG'] script:shorter", done.stderr


@pytest.mark.slow
def test_a_script_without_its_guard_is_told_so_and_starts_nothing_twice(tmp_path: Path) -> None:
    done = run_script(tmp_path, "\nwork()\n")
    assert "put what it does under `if __name__" in done.stderr
    assert done.stdout == ""


def test_the_command_takes_a_verifier_and_lines_without_a_gold(
    module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"response": "payload", "tests": [1, 2]},
        {"response": "same 7", "gold": "7"},
        {"response": "question What?", "question": "What?"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["verify", str(tmp_path / "in.jsonl"), "--verifier", f"{module}:by_request"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["status"], row["score"]) for row in found] == [("WRONG", 0.5), ("CORRECT", 1.0), ("CORRECT", 1.0)]
