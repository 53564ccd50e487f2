"""What ends a serving process from outside costs no verdict: the answer is tried once more, by processor time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tersely.learn.group_codec import decode_verdict, encode_verdict
from tersely.records import Kind, Status, Verdict
from tersely.verify import Judge
from tersely.verify.workers.ends import End
from tersely.verify.workers.pool import Pool, Program

ANSWERS = """
import os, signal, time
from pathlib import Path

def answer(request):
    mark, what = Path(request["mark"]), request["what"]
    first = not mark.exists()
    mark.touch()
    if what.startswith("once ") and first or what.startswith("always "):
        ended = what.split()[1]
        if ended == "exit":
            os._exit(3)
        if ended == "burn":
            while True:
                pass
        os.kill(os.getpid(), getattr(signal, ended))
        time.sleep(60)
    return {"status": "CORRECT", "reason": "answered"}

def start():
    return answer
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    file = tmp_path_factory.mktemp("answers") / "answers.py"
    file.write_text(ANSWERS)
    made = Pool(1, 0.3, 512, Program(file))
    made.run([])
    yield made
    made.close()


def ask(pool: Pool, tmp_path: Path, *wanted: str) -> list[Verdict]:
    return pool.run([{"mark": str(tmp_path / str(i)), "what": what} for i, what in enumerate(wanted)])


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGTERM", "SIGSTOP", "SIGALRM", "SIGPROF", "SIGXCPU", "SIGSEGV", "SIGUSR1"]
)
def test_an_answer_whose_process_was_ended_or_frozen_once_is_judged(pool: Pool, tmp_path: Path, name: str) -> None:
    replies = ask(pool, tmp_path, f"once {name}", "plain")
    assert [reply.reason for reply in replies] == ["answered", "answered"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP", "SIGPROF"])
def test_the_second_time_it_is_unjudged_for_an_outside_cause_and_its_neighbours_are_judged(
    pool: Pool, tmp_path: Path, name: str
) -> None:
    before = pool.deaths
    first, lost, last = ask(pool, tmp_path, "plain", f"always {name}", "plain")
    assert [first.status, lost.status, last.status] == [Status.CORRECT, Status.UNJUDGED, Status.CORRECT]
    assert lost.outside
    assert "twice" in lost.reason
    assert pool.deaths == before + 2


@pytest.mark.parametrize(("name", "tries"), [("burn", 1), ("exit", 1), ("SIGSEGV", 2)])
def test_what_an_answer_does_to_itself_is_no_outside_cause(pool: Pool, tmp_path: Path, name: str, tries: int) -> None:
    before = pool.deaths
    (lost,) = ask(pool, tmp_path, f"always {name}")
    assert lost.status is Status.UNJUDGED
    assert not lost.outside
    assert pool.deaths == before + tries


def test_a_budget_is_told_by_processor_time_and_never_by_the_signal_alone() -> None:
    assert End(-signal.SIGPROF, 1.99, 2.0).by_budget  # the timer counts in ticks
    assert not End(-signal.SIGPROF, 0.1, 2.0).by_budget
    assert End(-signal.SIGKILL, 4.0, 2.0).by_budget  # the hard limit, for who blocks the other signals
    assert not End(-signal.SIGKILL, 1.5, 2.0).by_budget
    assert End(-signal.SIGPROF, 1.99, 2.0).verdict.reason == "timeout: more than 2 CPU seconds"
    starved, asleep = End(-signal.SIGALRM, 1.9, 2.0), End(-signal.SIGALRM, 0.0, 2.0)
    assert starved.may_differ
    assert starved.verdict.outside
    assert asleep.may_differ
    assert not asleep.verdict.outside
    assert End(78, 0.1, 2.0).verdict.reason == "crashed: out of memory"


def test_a_frozen_worker_that_is_ended_leaves_no_frozen_child(tmp_path: Path) -> None:
    file = tmp_path / "answers.py"
    file.write_text("import time\ndef start():\n    return lambda request: time.sleep(600)\n")
    own = Pool(1, 30.0, 512, Program(file))
    own.warm()
    worker = own.workers[0]
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children")
    if not children.exists():
        pytest.skip("reads /proc")
    while not children.read_text():
        time.sleep(0.01)
    child = Path(f"/proc/{children.read_text().split()[0]}")
    worker.process.send_signal(signal.SIGSTOP)
    own.close()
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(process: Path) -> bool:
    try:
        return "zombie" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_judge_keeps_what_an_answer_did_and_nothing_that_was_done_to_it() -> None:
    question = ("[0,2]", "\\boxed{[0,1]\\cup(1,2]}", Kind.MATH)
    own = Verdict(Status.UNJUDGED, None, "timeout: more than 2 CPU seconds", 2.0)
    for verdict, kept in ((own, 1), (replace(own, outside=True), 0)):
        with Judge() as judge:
            judge.pool.run = lambda requests, said=verdict: [said for _ in requests]  # type: ignore[method-assign]
            assert judge.judge([question])[0].status is Status.UNJUDGED
            assert len(judge.unjudged) == kept


@pytest.mark.slow
def test_an_outside_cause_travels_with_its_verdict_and_is_named_only_where_there_was_one() -> None:
    verdict = Verdict(Status.UNJUDGED, "7", "its process was stopped from outside, twice", 0.1, outside=True)
    assert decode_verdict(encode_verdict(verdict)) == verdict
    assert "outside" not in encode_verdict(replace(verdict, outside=False))


@pytest.mark.slow
def test_kills_of_serving_processes_cost_no_verdict() -> None:
    """As an adversary did, with 342 of 546 answers unjudged: every third answer is met once."""
    items = [
        (f"[0,{n + 2}]", f"\\boxed{{[0,{m + 1}]\\cup({m + 1},{n + 2}]}}", Kind.MATH) for n in range(7) for m in range(n)
    ]
    with Judge(workers=1, cpu_seconds=5.0) as judge:
        judge.judge(items[:1])
        over = threading.Event()
        killer = threading.Thread(target=_kill_children, args=(judge, over))
        killer.start()
        found = judge.judge(items)
        over.set()
        killer.join()
        assert judge.pool.deaths + judge.pool.restarts > 0
    assert {verdict.status for verdict in found} == {Status.CORRECT}


def _kill_children(judge: Judge, over: threading.Event) -> None:
    """Once at every third answer; a kill that comes late meets the next one, which is no third."""
    import psutil

    met = set()
    while not over.wait(0.001):
        worker = judge.pool.workers[0]
        job = worker.job
        if worker.ready and job is not None and job % 3 == 0 and job not in met:
            met.add(job)
            for child in psutil.Process(worker.process.pid).children():
                child.kill()
