"""Figures of the answer checker, written to benchmarks/results/verify.md.

Run: python benchmarks/verify.py [--quick] [--before OTHER/src]. Compares with math-verify called serially in one
process with its own defaults, in the same run, interleaved. Data and case files are read from TERSELY_DATA and
TERSELY_CASES when there.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import resource
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

from verify_before import against

from tersely.records import Kind, Status
from tersely.verify import Judge, grammar
from tersely.verify.judge import forget, judge_here

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TERSELY_DATA", ROOT.parent / "shared" / "data"))
CASES = Path(os.environ.get("TERSELY_CASES", ROOT.parent / "shared" / "cases"))
OWN_CASES = ROOT / "tests" / "data" / "verify_cases.jsonl"
BLIND = [OWN_CASES.with_name(f"verify_{name}.jsonl") for name in ("blind", "blind_two", "blind_three", "blind_four")]
FIRST_LOOKS = """First looks at the blind sets, before any fix: their labels, and ours where a row is a stated policy.
In brackets 95 % intervals (Clopper-Pearson). Only the third was written by somebody who had seen neither code nor page.

| set | writer | rows | false positives | false negatives |
|---|---|---:|---:|---:|
| verify_blind.jsonl | knew the code | 161 | 17 of 85 | 55 of 76 |
| verify_blind_two.jsonl | knew the code | 73 | 2 of 47 | 5 of 26 |
| verify_blind_three.jsonl, his labels | had seen neither | 150 | 0 of 75 (0 to 4.8 %) | 19 of 75 (16.0 to 36.7 %) |
| the same, three rows of stated policy apart | | 150 | 0 of 78 (0 to 4.6 %) | 16 of 72 (13.3 to 33.6 %) |
| verify_blind_four.jsonl | had read the page, not the code | 150 | 1 of 75 (0 to 7.2 %) | 11 of 75 (7.6 to 24.7 %) |
"""
Pair = tuple[str, str, str]


def mixed_pairs(seed: int = 0) -> list[Pair]:
    """(kind, gold, answer) in 18 kinds, about 12 of each, half right in another spelling and half wrong; seeded."""
    rng = random.Random(seed)
    pairs: list[Pair] = []
    for _ in range(6):
        pairs += _numbers(rng) + _structures(rng) + _symbolic(rng)
    extra = [("integer", str(n), str(n)) for n in rng.sample(range(100, 9999), 6)]
    return pairs + extra


def _numbers(rng: random.Random) -> list[Pair]:
    n, a, b, c = rng.randint(1000, 99999), rng.randint(1, 9), rng.randint(11, 19), rng.randint(2, 9)
    d = rng.randint(1, 999)
    surd = rng.choice([2, 3, 5, 7])
    return [
        ("integer", str(n), f"{n:,}"),
        ("integer", str(n), str(n + a)),
        ("decimal", f"{d / 8}", f"{d / 8}0"),
        ("decimal", f"{d / 8}", f"{d / 8 + 0.5}"),
        ("fraction", f"\\frac{{{a}}}{{{b}}}", f"{a}/{b}"),
        ("fraction", f"\\frac{{{a}}}{{{b}}}", f"\\dfrac{{{a}}}{{{b + 1}}}"),
        ("percent", f"{d}\\%", f"{d}"),
        ("percent", f"{d}\\%", f"{d + 1}\\%"),
        ("surd", f"\\frac{{{a}}}{{\\sqrt{{{surd}}}}}", f"\\frac{{{a}\\sqrt{{{surd}}}}}{{{surd}}}"),
        ("surd", f"{a}\\sqrt{{{surd}}}", f"{a + 1}\\sqrt{{{surd}}}"),
        ("mixed number", f"\\frac{{{c * a + 1}}}{{{c}}}", f"{a}\\frac{{1}}{{{c}}}"),
        ("mixed number", f"\\frac{{{c * a + 1}}}{{{c}}}", f"{a + 1}\\frac{{1}}{{{c}}}"),
        ("scientific", f"{c}\\times 10^{{{a}}}", str(c * 10**a)),
        ("scientific", f"{c}\\times 10^{{{a}}}", f"{c}\\times 10^{{{a + 1}}}"),
    ]


def _structures(rng: random.Random) -> list[Pair]:
    a, b, c = rng.sample(range(1, 40), 3)
    return [
        ("tuple", f"({a},{b})", f"\\left({a}, {b}\\right)"),
        ("tuple", f"({a},{b})", f"({b},{a})"),
        ("set", f"\\{{{a},{b},{c}\\}}", f"\\{{{c},{a},{b}\\}}"),
        ("set", f"\\{{{a},{b},{c}\\}}", f"\\{{{a},{b}\\}}"),
        ("interval", f"[{a},{a + b})", f"\\left[{a},{a + b}\\right)"),
        ("interval", f"[{a},{a + b})", f"({a},{a + b}]"),
        (
            "matrix",
            f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&1\\end{{pmatrix}}",
            f"\\begin{{bmatrix}}{a} & {b} \\\\ {c} & 1\\end{{bmatrix}}",
        ),
        (
            "matrix",
            f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&1\\end{{pmatrix}}",
            f"\\begin{{pmatrix}}{a}&{c}\\\\{b}&1\\end{{pmatrix}}",
        ),
        ("complex", f"{a}+{b}i", f"{b}i+{a}"),
        ("complex", f"{a}+{b}i", f"{a}-{b}i"),
        ("text", "\\text{Monday}", "\\text{Monday}"),
        ("text", "\\text{even}", "\\text{odd}"),
    ]


def _symbolic(rng: random.Random) -> list[Pair]:
    a, b = rng.sample(range(2, 12), 2)
    return [
        ("polynomial", f"x^2+{a + b}x+{a * b}", f"(x+{a})(x+{b})"),
        ("polynomial", f"x^2+{a + b}x+{a * b}", f"(x+{a})(x-{b})"),
        ("equation", f"y={a}x+{b}", f"y = {b} + {a}x"),
        ("equation", f"y={a}x+{b}", f"y={a}x-{b}"),
        ("inequality", f"x\\le {a}", f"x \\leq {a}"),
        ("inequality", f"x\\le {a}", f"x<{a}"),
        ("trigonometry", f"{a}\\sin(x)\\cos(x)", f"\\frac{{{a}}}{{2}}\\sin(2x)"),
        ("trigonometry", f"{a}\\sin(x)", f"{a}\\cos(x)"),
        ("logarithm", f"{a}\\ln({b})", f"\\ln({b}^{{{a}}})"),
        ("logarithm", f"\\ln({a})", f"\\ln({b})"),
    ]


def boxed(answer: str) -> str:
    return f"So the final answer is $\\boxed{{{answer}}}$."


def serial(pairs: list[Pair], *, gold_cache: bool = False) -> tuple[list[bool], float]:
    """math-verify alone, one process, its defaults, its parse caches cleared: verdicts and CPU seconds."""
    from math_verify import parse, verify
    from math_verify import parser as internals

    internals.parse_latex_cached.cache_clear()
    start = time.process_time()
    verdicts = [bool(verify(parse(f"\\boxed{{{gold}}}"), parse(boxed(answer)))) for _, gold, answer in pairs]
    return verdicts, time.process_time() - start


def speed_and_agreement(quick: bool, before: Path | None) -> list[str]:
    pairs = mixed_pairs()
    kinds = len({kind for kind, *_ in pairs})
    serial(pairs[:20])
    ratios, rates = [], []
    for _ in range(1 if quick else 5):
        theirs, seconds = serial(pairs)
        mine, ours = _ours(pairs)
        ratios.append(seconds / ours)
        rates.append((len(pairs) / seconds, len(pairs) / ours))
    local = [judge_here(gold, boxed(answer), Kind.MATH) for _, gold, answer in pairs]
    decided = [v for v, ask in local if ask is None]
    differ = [(p, t, v) for p, t, v in zip(pairs, theirs, mine, strict=True) if t != (v.status is Status.CORRECT)]
    ratios.sort()
    mid = sorted(rates)[len(rates) // 2]
    lines = ["## Speed and agreement on mixed answers", ""]
    lines.append(
        f"{len(pairs)} seeded pairs in {kinds} kinds, half right in another spelling, half wrong; caches empty, one "
        f"process, CPU seconds, {len(ratios)} interleaved runs. Decided without a worker: {len(decided)}."
    )
    lines += ["", "| | answers per CPU second |", "|---|---:|", f"| math-verify serial | {mid[0]:.0f} |"]
    lines += [
        f"| tersely | {mid[1]:.0f} |",
        "",
        f"Ratio: median {ratios[len(ratios) // 2]:.1f} (lowest {ratios[0]:.1f}); goal 4, aim 10.",
    ]
    if before is not None:
        warm, asked = ([(gold, boxed(a), str(Kind.MATH)) for _, gold, a in mixed_pairs(seed)] for seed in (1, 0))
        lines += ["", *against(before, warm, asked, 11 if quick else 41)]
    lines += ["", f"Disagreements: {len(differ)} of {len(pairs)}."]
    lines += [
        f"- {k}: gold `{g}`, answer `{a}`: math-verify {t}, tersely {v.status.value} ({v.reason})"
        for (k, g, a), t, v in differ
    ]
    return [*lines, ""]


def _ours(pairs: list[Pair]) -> tuple[list, float]:
    """Verdicts with every cache empty and the CPU seconds, workers included (not their start)."""
    clear_caches()
    with Judge() as judge:
        judge.check_gold("\\foo", Kind.MATH)  # starts a worker: import time is not compared
        start = time.process_time()
        verdicts = judge.judge([(gold, boxed(answer), Kind.MATH) for _, gold, answer in pairs])
        inside = time.process_time() - start
    return verdicts, inside + sum(v.seconds for v in verdicts if "math-verify" in v.reason)


def clear_caches() -> None:
    grammar.forget()
    forget()


PATHOLOGICAL = [
    "9^{9^{9^9}}",
    "10^{10^{100}}",
    "(1+x)^{1000000}",
    "1000000!",
    "\\sum_{k=1}^{10^9}\\frac{1}{k}",
    "(" * 200 + "7" + ")" * 200,
    "\\frac{1}{1+" * 200 + "1" + "}" * 200,
    "\\sin(\\tan(-4x^2-3)^3)",
]


def slow_for_sympy(i: int) -> tuple[str, str]:
    """A gold and an answer that pass every static guard and keep sympy busy for many seconds (i varies them)."""
    gold = f"\\sin(\\tan(-4x^2-{i + 3}x)^3)"
    return gold, gold.replace(f"{i + 3}x", f"{i + 3}|x|")


def latency() -> list[str]:
    pairs = mixed_pairs()
    items = [(g, boxed(a), Kind.MATH) for _, g, a in (pairs + pairs)[:248]]
    rows = []
    for name, bad in (
        ("named in the goals", [("7", p) for p in PATHOLOGICAL]),
        ("slow inside sympy", [slow_for_sympy(i) for i in range(8)]),
    ):
        clear_caches()
        batch = items + [(g, boxed(a), Kind.MATH) for g, a in bad]
        random.Random(1).shuffle(batch)
        took: list[float] = []
        unjudged: list[int] = []
        cpu: list[float] = []

        def work(batch: list = batch, took: list = took, unjudged: list = unjudged, cpu: list = cpu) -> None:
            with Judge(workers=2) as judge:
                start = time.perf_counter()
                found = judge.judge(batch)
                took.append(time.perf_counter() - start)
                unjudged.append(sum(v.status is Status.UNJUDGED for v in found))
                cpu.append(sum(v.seconds for v in found))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        rows.append(f"| {name} | {took[0]:.2f} s | {cpu[0]:.2f} s | {unjudged[0]} |")
    head = ["## 256 answers, 8 of them pathological, two workers, a thread that is not the main one", ""]
    head += [
        f"Start of the workers included; load of the machine {os.getloadavg()[0]:.1f}. Goal 12 s, aim 5 s.",
        "",
        "| pathological answers | wall time | CPU time of the answers | UNJUDGED |",
        "|---|---:|---:|---:|",
    ]
    return [*head, *rows, ""]


def rss_mb() -> float:
    """Resident memory of this process now (Linux), else its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def endurance(quick: bool) -> list[str]:
    n = 100 if quick else 1000
    with Judge(workers=2, cpu_seconds=0.1) as judge:
        judge.judge([(g, boxed(a), Kind.MATH) for g, a in (slow_for_sympy(i) for i in range(4))])
        before, pids = rss_mb(), judge.pool.pids()
        start = time.perf_counter()
        found = judge.judge([(g, boxed(a), Kind.MATH) for g, a in (slow_for_sympy(i) for i in range(n))])
        wall = time.perf_counter() - start
        after, same = rss_mb(), pids == judge.pool.pids()
        good = judge.judge([("[0,2]", boxed("[0,1]\\cup(1,2]"), Kind.MATH)])[0]
        deaths = judge.pool.deaths
    counts = {status.value: sum(v.status is status for v in found) for status in Status}
    return [
        f"## {n} answers that never end in sympy",
        "",
        f"CPU budget 0.1 s each, two workers: {wall:.0f} s. Verdicts {counts}; {deaths} serving "
        "processes ended and were renewed; "
        f"the two worker processes are the same as before: {same}; the next ordinary answer: {good.status.value}; "
        "memory of this "
        f"process {before:.1f} MB before, {after:.1f} MB after.",
        "",
    ]


def load(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line] if path.exists() else []


def expected_of(row: dict) -> str:
    """ "CORRECT", "not CORRECT", an exact status, or "" where a matter of policy."""
    value = row["expected"]
    if isinstance(value, bool):
        return "CORRECT" if value else "not CORRECT"
    return "" if value == "no-crash" else str(value)


def case_rows() -> list[str]:
    lines = [
        "## Case files",
        "",
        "| file | rows | labelled right | labelled wrong | false positives | false negatives | UNJUDGED |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for path in (OWN_CASES, *BLIND, CASES / "adversarial.jsonl", CASES / "natural.jsonl"):
        rows = load(path)
        if not rows:
            continue
        with Judge() as judge:
            found = judge.judge([(r["gold"], r["response"], r.get("kind", "math")) for r in rows])
        right = [v for r, v in zip(rows, found, strict=True) if expected_of(r) == "CORRECT"]
        wrong = [v for r, v in zip(rows, found, strict=True) if expected_of(r) not in ("CORRECT", "")]
        fp = sum(v.status is Status.CORRECT for v in wrong)
        fn = sum(v.status is not Status.CORRECT for v in right)
        unjudged = sum(v.status is Status.UNJUDGED for v in found)
        lines.append(f"| {path.name} | {len(rows)} | {len(right)} | {len(wrong)} | {fp} | {fn} | {unjudged} |")
    return [*lines, "", FIRST_LOOKS]


def golds() -> list[str]:
    lines = [
        "## Gold answers against themselves",
        "",
        "| file | rows | CORRECT | refused as gold | seconds |",
        "|---|---:|---:|---:|---:|",
    ]
    notes = []
    for path in sorted(DATA.glob("*.jsonl")):
        rows = load(path)
        kind = Kind.CHOICE if rows[0].get("answer_type") == "choice" else Kind.MATH
        with Judge() as judge:
            start = time.perf_counter()
            reasons = judge.check_golds((row["answer"], kind) for row in rows)
            found = judge.judge([(row["answer"], boxed(row["answer"]), kind) for row in rows])
            wall = time.perf_counter() - start
        correct = sum(v.status is Status.CORRECT for v in found)
        refused = [(row, why) for row, why in zip(rows, reasons, strict=True) if why]
        lines.append(f"| {path.name} | {len(rows)} | {100 * correct / len(rows):.2f} % | {len(refused)} | {wall:.2f} |")
        notes += [f"- {row['id']}: `{row['answer'][:80]}` {why}" for row, why in refused]
        notes += [
            f"- {r['id']}: `{r['answer'][:80]}` {v.status.value} ({v.reason})"
            for r, v in zip(rows, found, strict=True)
            if v.status is not Status.CORRECT
        ]
    return [*lines, "", "Exceptions:", *notes, ""]


def under_load() -> list[str]:
    """Verdicts on the own cases and the mixed pairs, quiet and with four busy loops per core."""
    items = [(r["gold"], r["response"], r.get("kind", "math")) for r in load(OWN_CASES)]
    items += [(g, boxed(a), Kind.MATH) for _, g, a in mixed_pairs()]
    items += [(g, boxed(a), Kind.MATH) for g, a in (slow_for_sympy(i) for i in range(2))]

    def statuses() -> list[tuple[str, str]]:
        clear_caches()
        with Judge() as judge:
            return [(v.status.value, v.reason) for v in judge.judge(items)]

    quiet = statuses()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        loaded = statuses()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    differ = sum(a != b for a, b in zip(quiet, loaded, strict=True))
    return [
        "## The same verdicts under load",
        "",
        f"{len(items)} answers, {4 * (os.cpu_count() or 1)} busy loops beside: {differ} differ.",
        "",
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer repeats")
    arguments.add_argument("--before", type=Path, help="the folder src of an earlier commit, to compare the speed with")
    asked = arguments.parse_args()
    quick = asked.quick
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("math-verify", "latex2sympy2_extended", "sympy", "mpmath")
    )
    lines = [
        "# The answer checker, measured",
        "",
        f"{datetime.date.today()}, Python {platform.python_version()}, {packages}, "
        f"{os.cpu_count()} cores. Command: `python benchmarks/verify.py{' --quick' if quick else ''}"
        f"{' --before OTHER/src' if asked.before else ''}`.",
        "",
    ]
    for part in (case_rows, golds, latency, under_load):
        lines += part()
        print(f"{part.__name__} done", flush=True)
    lines += endurance(quick)
    assert "sympy" not in sys.modules
    lines += speed_and_agreement(quick, asked.before)
    target = ROOT / "benchmarks" / "results" / "verify.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
