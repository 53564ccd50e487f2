"""The processes in which sympy lives: budgets, deaths, replacement, order, and what they leave in the owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent import futures
from dataclasses import replace
from pathlib import Path

import pytest

from tersely.errors import RunError, UserError
from tersely.records import Kind, Status, Verdict
from tersely.verify import Judge, verdict_key
from tersely.verify.workers import worker as worker_module
from tersely.verify.workers.pool import MATH_VERIFY, Pool
from tersely.verify.workers.prefetch import Prefetcher

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def endless(i: int) -> tuple[str, str, Kind]:
    """Agrees with its gold for x > 0 only, so this process cannot say, and simplify never ends (sympy issue 27320)."""
    gold = f"\\sin(\\tan(-4x^2-{i + 3}x)^3)"
    return gold, boxed(gold.replace(f"{i + 3}x", f"{i + 3}|x|")), Kind.MATH


NEEDS_WORKER = ("[0,2]", boxed("[0,1]\\cup(1,2]"), Kind.MATH)
"""Right, and only math-verify can tell."""


@pytest.mark.slow
def test_endless_answers_are_unjudged_lose_no_worker_and_keep_the_order() -> None:
    items = []
    for i in range(30):
        items += [endless(i), NEEDS_WORKER, ("7", boxed("7"), Kind.MATH)]
    with Judge(workers=2, cpu_seconds=0.2) as judge:
        assert judge.judge([NEEDS_WORKER, endless(99)])[0].status is Status.CORRECT
        before = judge.pool.pids()
        found = judge.judge(items)
        assert judge.pool.pids() == before
        assert judge.pool.restarts == 0
        assert judge.pool.deaths == 31
        assert len(judge.unjudged) == 31
    assert [v.status for v in found] == [Status.UNJUDGED, Status.CORRECT, Status.CORRECT] * 30
    assert {v.reason for v in found[::3]} == {"timeout: more than 0.2 CPU seconds"}
    assert all(0.15 <= v.seconds <= 0.7 for v in found[::3])


@pytest.mark.slow
def test_an_answer_that_timed_out_stays_timed_out_on_replay() -> None:
    with Judge(workers=1, cpu_seconds=0.2) as judge:
        first = judge.judge([endless(0)])[0]
        kept = dict(judge.unjudged)
    assert first.status is Status.UNJUDGED
    with Judge(workers=1, cpu_seconds=100.0, known=kept) as again:
        assert again.judge([endless(0), ("1", boxed("1"), Kind.MATH)])[0] == first
        assert again.pool.workers == []
        assert again.unjudged == kept


def test_a_known_verdict_is_found_by_gold_answer_and_kind() -> None:
    gold, response, kind = endless(1)
    answer = response.removeprefix("\\boxed{").removesuffix("}")
    kept = Verdict(Status.UNJUDGED, answer, "timeout: kept", 2.0)
    with Judge(known={verdict_key(gold, answer, kind): kept}) as judge:
        assert judge.judge([(gold, response, kind)]) == [kept]
        assert judge.pool.workers == []


def test_ordinary_answers_start_no_process() -> None:
    with Judge() as judge:
        judge.judge(
            [(str(i), boxed(f"{i}.0"), Kind.MATH) for i in range(50)] + [("\\frac{1}{2}", boxed("50\\%"), Kind.MATH)]
        )
        assert judge.pool.workers == []


SCRIPT = """
import os, signal, sys, threading, time
from tersely.records import Kind
from tersely.verify import Judge
judge = Judge(workers=1, cpu_seconds=1.0)
handlers = [signal.getsignal(s) for s in signal.valid_signals()]
signal.alarm(60)
found = []
items = [("[0,2]", r"\\boxed{[0,1]\\cup(1,2]}", Kind.MATH)]
thread = threading.Thread(target=lambda: found.extend(judge.judge(items)))
thread.start(); thread.join()
assert found[0].status == "CORRECT", found
assert found[0].reason.startswith("math-verify"), found
assert [signal.getsignal(s) for s in signal.valid_signals()] == handlers
assert 0 < signal.alarm(0) <= 60
assert not {"sympy", "math_verify", "latex2sympy2_extended", "torch"} & set(sys.modules)
pid = judge.pool.pids()[0]
judge.close()
for _ in range(200):  # the killed processes may be unreaped for a moment
    try:
        os.killpg(pid, 0)
        time.sleep(0.05)
    except ProcessLookupError:
        print("nothing left")
        break
"""


@pytest.mark.slow
def test_from_a_thread_no_sympy_here_no_signal_touched_nothing_left() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "nothing left", done.stderr


OWNER = """
import sys, threading
from tersely.records import Kind
from tersely.verify import Judge
judge = Judge(workers=2, cpu_seconds=1.5)
judge.judge([("[0,2]", r"\\boxed{[0,1]\\cup(1,2]}", Kind.MATH), ("[0,3]", r"\\boxed{[0,1]\\cup(1,3]}", Kind.MATH)])
gold = r"\\sin(\\tan(-4x^2-3x)^3)"
threading.Thread(target=judge.judge, args=([(gold, "\\\\boxed{%s}" % gold.replace("3x", "3|x|"), Kind.MATH)],)).start()
print(*judge.pool.pids(), flush=True)
"""


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_nobody_is_left_when_the_owner_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    groups = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(groups) == 2
    assert all(alive(group) for group in groups)
    time.sleep(0.3)  # one worker is in the middle of an endless answer
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 30
    while any(alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(group) for group in groups)


@pytest.mark.slow
@needs_proc
def test_workers_inherit_no_descriptor_and_live_in_their_own_session(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file, Judge(workers=1) as judge:
        os.set_inheritable(file.fileno(), True)
        judge.judge([NEEDS_WORKER])
        pid = judge.pool.pids()[0]
        links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        assert str(tmp_path / "open") not in links
        assert os.getsid(pid) == pid != os.getsid(0)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_later_answers_are_judged() -> None:
    with Judge(workers=1) as judge:
        assert judge.judge([NEEDS_WORKER])[0].status is Status.CORRECT
        os.killpg(judge.pool.pids()[0], signal.SIGKILL)
        found = judge.judge([("[0,5]", boxed(f"[0,{i}]\\cup({i},5]"), Kind.MATH) for i in range(1, 4)])
        assert [v.status for v in found] == [Status.CORRECT] * 3
        assert judge.pool.restarts == 1


@pytest.mark.slow
def test_threads_share_one_judge() -> None:
    results: dict[int, list[Status]] = {}
    with Judge(workers=2) as judge:

        def work(n: int) -> None:
            items = [("[0,9]", boxed(f"[0,{n}]\\cup({n},9]"), Kind.MATH), (str(n), boxed(str(n)), Kind.MATH)]
            results[n] = [v.status for v in judge.judge(items)]

        threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {n: [Status.CORRECT, Status.CORRECT] for n in range(1, 6)}


@pytest.mark.slow
def test_answers_begun_early_are_judged_meanwhile_and_found_the_same() -> None:
    items = [NEEDS_WORKER, endless(0), ("7", boxed("7"), Kind.MATH), endless(1), NEEDS_WORKER, ("7", "no", Kind.MATH)]

    def without_seconds(found: list[Verdict]) -> list[Verdict]:
        return [replace(verdict, seconds=0.0) for verdict in found]

    with Judge(workers=2, cpu_seconds=0.3) as judge:
        afterwards, unjudged = without_seconds(judge.judge(items)), list(judge.unjudged)
    with Judge(workers=2, cpu_seconds=0.3) as judge:
        for item in reversed(items):
            judge.begin(item)
        open_questions = list(judge._ahead._replies.values())
        assert len(open_questions) == 3
        futures.wait(open_questions, timeout=60)
        judge.pool.run = lambda requests: [] if not requests else pytest.fail("asked again")  # type: ignore[method-assign]
        assert without_seconds(judge.judge(items)) == afterwards
        assert list(judge.unjudged) == unjudged
        assert judge._ahead._replies == {}
    with Judge(workers=1, known=judge.unjudged) as judge:
        judge.begin(items[1])
        assert judge._ahead._replies == {}


# --- the pool with a worker that misbehaves on request (a stand-in: same protocol, no sympy) ------------------------

STUB = """
import json, os, signal, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    do = json.loads(line)["answer"]
    if do == "die": os._exit(3)
    if do == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if do == "garbage": print("{{{", flush=True); continue
    if do == "hang": time.sleep(1000)
    if do == "child": print(json.dumps({"died": -signal.SIGSEGV, "seconds": 0.1}), flush=True); continue
    if do == "memory": print(json.dumps({"died": 78, "seconds": 0.1}), flush=True); continue
    print(json.dumps({"status": "CORRECT" if do == "yes" else "WRONG", "reason": do, "seconds": 0.5}), flush=True)
"""


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    path = tmp_path / "stub.py"
    path.write_text(textwrap.dedent(STUB))
    return path


def ask(*answers: str) -> list[dict[str, str]]:
    return [{"gold": "", "answer": answer} for answer in answers]


def test_every_way_to_die_gives_one_unjudged_reply_in_its_place(stub: Path) -> None:
    pool = Pool(2, 1.0, 512, script=stub)
    replies = pool.run(ask("yes", "die", "no", "kill", "child", "yes", "garbage", "memory", "no"))
    assert "".join(reply.status[0] for reply in replies) == "CUWUUCUUW"
    assert replies[4].reason == f"crashed: exit {-signal.SIGSEGV}"
    assert replies[7].reason == "crashed: out of memory"
    assert pool.restarts == 6  # three requests end the whole process, each is tried twice
    assert pool.deaths == 3  # a signal may come from anywhere, so that one is tried twice; an exit code may not
    assert len(pool.workers) == 2
    pool.close()
    pool.close()
    with pytest.raises(RunError, match="closed"):
        pool.run(ask("yes"))


def test_the_wall_safety_net_replaces_a_worker_that_sleeps(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(1, 1.0, 512, script=stub)
    pool.run(ask("yes"))
    real = type(pool.workers[0]).send
    monkeypatch.setattr(type(pool.workers[0]), "send", lambda self, job, line, wall: real(self, job, line, 0.3))
    replies = pool.run(ask("hang", "yes"))
    assert [reply.status for reply in replies] == [Status.UNJUDGED, Status.CORRECT]
    assert pool.restarts == 2
    pool.close()


def test_closing_ends_what_was_begun_and_whoever_waits_for_it_is_told(stub: Path) -> None:
    pool = Pool(1, 1.0, 512, script=stub)
    ahead = Prefetcher(pool)
    for name in ("hang", "yes"):
        ahead.ask(name, ask(name)[0])
    reply = ahead.take("hang")
    assert reply is not None
    deadline = time.monotonic() + 20
    while not (pool.workers and pool.workers[0].job is not None) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not reply.done()
    start = time.monotonic()
    pool.close()
    ahead.close()
    assert time.monotonic() - start < 5
    with pytest.raises(RunError, match="closed"):
        reply.result(timeout=0)


def test_workers_that_never_start_are_an_error_and_not_an_endless_loop(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("raise SystemExit(1)")
    pool = Pool(2, 1.0, 512, script=path)
    with pytest.raises(RunError, match="before they are ready"):
        pool.run(ask("yes", "no"))
    pool.close()


@pytest.mark.parametrize("bad", [{"workers": 0}, {"cpu_seconds": 0.0}, {"memory_mb": 10}])
def test_a_judge_that_cannot_work_is_refused(bad: dict) -> None:
    with pytest.raises(UserError, match="needs workers"):
        Judge(**bad)


@pytest.mark.slow
def test_the_memory_limit_holds() -> None:
    code = (
        "import runpy, sys\n"
        f"module = runpy.run_path({worker_module.__file__!r})\n"
        "module['confine'](400, 0)\n"
        "try:\n    bytearray(10**9)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "refused", done.stderr


@pytest.mark.slow
def test_the_serving_process_is_renewed_without_losing_an_answer() -> None:
    """The protocol spoken by hand: five requests to a worker that renews itself after two answers."""
    limits = {"cpu_seconds": 2.0, "memory_mb": 1024, "file_mb": 0, "recycle": 2}
    command = [sys.executable, "-P", worker_module.__file__, json.dumps(limits), str(MATH_VERIFY.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True}
        for i in range(1, 6):
            process.stdin.write(json.dumps({"gold": f"x+{i}", "answer": f"{i}+x"}) + "\n")
            reply = json.loads(process.stdout.readline())
            assert reply["status"] == "CORRECT"
            assert 0 <= reply["seconds"] < 2
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.mark.slow
def test_no_verdict_changes_with_the_load_of_the_machine() -> None:
    """What the grammar leaves of sums without end and of limits is not judged; the rest is far from its budget."""
    hard = ["\\sum_{n=1}^\\infty \\frac{1}{n^2}", "\\prod_{k=1}^{10^9} k", "\\int_0^1 x^x dx", "\\lim_{x\\to 0} x^x"]
    items = [(gold, f"\\boxed{{{answer}}}", Kind.MATH) for gold in hard for answer in ("\\frac{\\pi^2}{6}", "1", gold)]
    items += [("\\sum_{k=1}^n k^2", "\\boxed{\\frac{n(n+1)(2n+1)}{6}}", Kind.MATH)]
    items += [("[0,2]", "\\boxed{[0,1]\\cup(1,2]}", Kind.MATH), ("[0,2]", "\\boxed{[0,1]\\cup(1,3]}", Kind.MATH)]

    def verdicts() -> list[tuple[Status, str]]:
        with Judge() as judge:
            return [(v.status, v.reason) for v in judge.judge(items)]

    quiet = verdicts()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    try:
        loaded = [verdicts() for _ in range(2)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert loaded == [quiet, quiet]
    assert not any("timeout" in reason for _, reason in quiet)
