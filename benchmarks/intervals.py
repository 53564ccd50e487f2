"""How often the 95 % intervals hold the truth, by simulation: written to benchmarks/results/intervals.md.

    python benchmarks/intervals.py                     # 2,000 simulations a number, some minutes; scripts/long runs it
    python benchmarks/intervals.py --repetitions 50    # a look, and nothing is written

Each number draws that many evaluations from a known truth (``interval_worlds.py``) and counts; its draws come from one
seed, so the tables are the same on every machine. Beside each stands what the interval it replaced would have done.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import interval_worlds as worlds
import numpy as np
import scipy
from interval_formerly import delta_ratio, t_interval, t_over_seeds
from scipy.special import stdtrit

from tersely import Estimate, clustered_mean, clustered_rate, paired_difference, paired_ratio
from tersely.analysis.aggregate import aes, aggregate_sets
from tersely.analysis.bounded import chance_at_most
from tersely.analysis.seeds import family_steps, over_seeds

RESULT = Path(__file__).parent / "results" / "intervals.md"
REPETITIONS = 2000
SIZES, RESPONSES = (5, 30, 500), (1, 3, 10)

Interval = tuple[float, float] | None
Table = list[list[str]]
Simulation = Callable[[np.random.Generator, int, int], tuple[Estimate, Interval, float]]
"""(rng, problems, responses a problem) -> what is printed now, the interval it replaced, the truth."""


def clusters(values_PK: np.ndarray) -> dict[str, list[float]]:
    """[P, K] numbers as the intervals take them: problem -> its responses."""
    return {str(problem): row for problem, row in enumerate(values_PK.tolist())}


def mean_tokens(world: worlds.Lengths) -> Simulation:
    def draw(rng: np.random.Generator, n: int, k: int) -> tuple[Estimate, Interval, float]:
        lengths_PK, truth = world(rng, n, k)
        lengths_P = lengths_PK.mean(axis=1)
        return clustered_mean(clusters(lengths_P[:, None])), t_interval(lengths_P), truth

    return draw


def tokens_saved(adaptive: bool, ratio: bool) -> Simulation:
    def draw(rng: np.random.Generator, n: int, k: int) -> tuple[Estimate, Interval, float]:
        base_PK, model_PK, means = worlds.savings(rng, n, k, adaptive)
        base_P, model_P = base_PK.mean(axis=1), model_PK.mean(axis=1)
        sides = clusters(base_P[:, None]), clusters(model_P[:, None])
        if ratio:
            return paired_ratio(*sides), delta_ratio(base_P, model_P), means[1] / means[0]
        return paired_difference(*sides), t_interval(model_P - base_P), means[1] - means[0]

    return draw


def share_correct(mean: float) -> Simulation:
    def draw(rng: np.random.Generator, n: int, k: int) -> tuple[Estimate, Interval, float]:
        right_PK = worlds.answers(rng, rng.beta(4 * mean, 4 * (1 - mean), n), k)
        found = clustered_rate(clusters(right_PK))
        return found, (found.low, found.high), mean

    return draw


def accuracy_change(world: str) -> Simulation:
    def draw(rng: np.random.Generator, n: int, k: int) -> tuple[Estimate, Interval, float]:
        base_PK, model_PK = worlds.loses(rng, world, n, k, 0.01)
        changes_P = (model_PK - base_PK).mean(axis=1)
        # Whether the truth lies within the ends of `paired_difference(rates=True)`, without looking for the ends.
        above = chance_at_most(changes_P, -1.0, -0.01) > 0.025
        below = chance_at_most(-changes_P, -1.0, 0.01) > 0.025
        now = Estimate(0.0, -1.0 if above else 1.0, 1.0 if below else -1.0, n, "bounds")
        return now, t_interval(changes_P), -0.01

    return draw


ESTIMATES: Mapping[str, Simulation] = {
    "mean tokens, gamma (CV 0.6)": mean_tokens(worlds.gamma),
    "mean tokens, lognormal 0.7 (CV 0.8)": mean_tokens(worlds.lognormal(0.7)),
    "mean tokens, lognormal 1 (CV 1.3)": mean_tokens(worlds.lognormal(1.0)),
    "mean tokens, one problem in ten runs to the cap in half of its responses": mean_tokens(worlds.loops),
    "token ratio, same saving everywhere": tokens_saved(adaptive=False, ratio=True),
    "token ratio, easy problems save more": tokens_saved(adaptive=True, ratio=True),
    "token difference, easy problems save more": tokens_saved(adaptive=True, ratio=False),
    "accuracy 0.6": share_correct(0.6),
    "accuracy 0.9": share_correct(0.9),
    "accuracy 0.97": share_correct(0.97),
    "accuracy change -1 point, every problem a little": accuracy_change("spread"),
    "accuracy change -1 point, 1 % of problems lost": accuracy_change("lost"),
    "accuracy change -1 point, 2 % lost, 1 % won, noise": accuracy_change("mixed"),
}


def coverage(simulation: Simulation, n: int, k: int, repetitions: int) -> tuple[float | None, float]:
    """Shares of the repetitions in which the truth was held: now (None where nothing is printed), and formerly."""
    rng = np.random.default_rng([n, k])
    now, before, printed = 0, 0, 0
    for _ in range(repetitions):
        estimate, former, truth = simulation(rng, n, k)
        printed += estimate.low is not None
        now += estimate.low is not None and estimate.low <= truth <= estimate.high
        before += former is not None and former[0] <= truth <= former[1]
    return (now / printed if printed > repetitions / 2 else None), before / repetitions


def estimates_table(repetitions: int) -> Table:
    rows = [["quantity", *(f"n={n}, k={k}" for n in SIZES for k in RESPONSES)]]
    for name, simulation in ESTIMATES.items():
        found = [coverage(simulation, n, k, repetitions) for n in SIZES for k in RESPONSES]
        rows.append([name, *(f"{percent(now)} ({percent(before)})" for now, before in found)])
    return rows


def suite_table(repetitions: int) -> Table:
    truths = {"accuracy": 0.95, "tokens": 0.6, "aes": aes(0.95, 0.6)}
    rng, hits = np.random.default_rng(0), dict.fromkeys(truths, 0)
    for _ in range(repetitions):
        found = aggregate_sets(worlds.suite(rng))
        for name, truth in truths.items():
            estimate = getattr(found, name)
            hits[name] += estimate.low <= truth <= estimate.high
    return [["mean over three sets", "now"], *([name, percent(count / repetitions)] for name, count in hits.items())]


# --- "loses at most X" ------------------------------------------------------------------------------------------------

GATES = (100, 300, 1200)
WORLDS = {
    "lost": "X of the problems always lost",
    "half": "2 X of the problems lost half of the time",
    "lost, noise": "X lost, the others answered with noise",
    "spread": "every problem a little worse",
    "mixed": "2 X lost, X won, noise",
}
RULES = ("t", "t with a pseudo-loss", "betting", "loss_bound")


def certified(changes_P: np.ndarray, loss: float) -> list[bool]:
    """Whether each of ``RULES`` says "loses at most ``loss``", at 95 %."""
    n, mean = changes_P.size, changes_P.mean()
    plain = mean - stdtrit(n - 1, 0.95) * changes_P.std(ddof=1) / np.sqrt(n) >= -loss
    more_P = np.append(changes_P, -1.0)
    pseudo = more_P.mean() - stdtrit(n, 0.95) * more_P.std(ddof=1) / np.sqrt(n + 1) >= -loss
    exact = chance_at_most(changes_P, -1.0, -loss) <= 0.05
    return [bool(plain), bool(pseudo and n >= np.log(20) / loss), _bet(changes_P, loss), exact]


def _bet(changes_P: np.ndarray, loss: float) -> bool:
    """Waudby-Smith and Ramdas 2023 (JRSS B 86): a predictable bet on each problem in turn, stakes set for n."""
    y_P, m = (1 + changes_P) / 2, (1 - loss) / 2
    number = np.arange(1, y_P.size + 1)
    mean_P = (np.cumsum(y_P) + 0.5) / (number + 1)
    variance_P = (np.cumsum((y_P - mean_P) ** 2) + 0.25) / (number + 1)
    known_P = np.append(0.25, variance_P[:-1])
    stake_P = np.minimum(np.sqrt(2 * np.log(20) / (y_P.size * known_P)), 0.9 / m)
    return bool(np.log1p(stake_P * (y_P - m)).cumsum().max() >= np.log(20))


def certified_shares(world: str, n: int, k: int, loss: float, true_loss: float, repetitions: int) -> np.ndarray:
    rng = np.random.default_rng([n, k, round(1e4 * loss), round(1e4 * true_loss)])
    sums = np.zeros(len(RULES))
    for _ in range(repetitions):
        base_PK, model_PK = worlds.loses(rng, world, n, k, true_loss)
        sums += certified((model_PK - base_PK).mean(axis=1), loss)
    return sums / repetitions


def loss_tables(repetitions: int) -> tuple[Table, Table]:
    """False certificates at a true loss of exactly X (the worst of k = 1, 3, 10), and right ones at X / 4."""
    head = ["X", "what is lost", *(f"n={n}" for n in GATES)]
    false, right = [head], [head]
    for loss in (0.01, 0.03):
        for world, words in WORLDS.items():
            worst, power = [], []
            for n in GATES:
                found = [certified_shares(world, n, k, loss, loss, repetitions) for k in RESPONSES]
                worst.append(" / ".join(percent(share) for share in np.max(found, axis=0)))
                some = certified_shares(world, n, 3, loss, loss / 4, repetitions // 4)
                power.append(" / ".join(percent(share, 0) for share in some))
            false.append([f"{loss:.0%}", words, *worst])
            right.append([f"{loss:.0%}", words, *power])
    return false, right


# --- seeds and families -----------------------------------------------------------------------------------------------

SEEDS = (3, 5, 10, 15)
HEAPS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "seeds alike": lambda rng, seeds: np.zeros(seeds),
    "normal": lambda rng, seeds: 0.15 * rng.standard_normal(seeds),
    "two heaps, 1 in 2": lambda rng, seeds: 0.4 * (rng.random(seeds) < 0.5) - 0.2,
    "two heaps, 3 in 10": lambda rng, seeds: 0.4 * (rng.random(seeds) < 0.3) - 0.12,
    "two heaps, 1 in 5": lambda rng, seeds: 0.4 * (rng.random(seeds) < 0.2) - 0.08,
}
"""How the log of a seed's mean length lies about the setting's."""


def seeds_table(repetitions: int) -> Table:
    rows = [["seeds differ", "k", *(f"{seeds} seeds" for seeds in SEEDS)]]
    for name, heap in HEAPS.items():
        for k in RESPONSES:
            cells = [seeds_covered(heap, seeds, 300, k, repetitions) for seeds in SEEDS]
            rows.append([name, str(k), *(f"{percent(now)} ({percent(before)})" for now, before in cells)])
    return rows


def seeds_covered(
    heap: Callable[[np.random.Generator, int], np.ndarray], seeds: int, n: int, k: int, repetitions: int
) -> tuple[float, float]:
    """Savings of ``seeds`` models against one base: the interval over seeds and problems, and t over seeds."""
    rng = np.random.default_rng([seeds, n, k])
    truth = worlds.mean_factor(heap)
    now = before = 0
    for _ in range(repetitions):
        values, errors = worlds.ratios_of_seeds(rng, heap(rng, seeds), n, k)
        reach = stdtrit(n - 1, 0.975)
        found = [Estimate(v, v - reach * e, v + reach * e, n, "t") for v, e in zip(values, errors, strict=True)]
        joint = over_seeds(found, fewest=2)
        now += joint.low <= truth <= joint.high
        former = t_over_seeds(values)
        before += former[0] <= truth <= former[1]
    return now / repetitions, before / repetitions


def family_table(repetitions: int) -> Table:
    rows = [["seeds differ", "1 seed", "3 seeds", "5 seeds", "10 seeds"]]
    for name in ("seeds alike", "normal", "two heaps, 1 in 2", "two heaps, 1 in 5"):
        cells = [any_beyond(HEAPS[name], seeds, 100, 3, repetitions) for seeds in (1, 3, 5, 10)]
        rows.append([name, *(f"{percent(now)} ({percent(before)})" for now, before in cells)])
    return rows


def any_beyond(
    heap: Callable[[np.random.Generator, int], np.ndarray], seeds: int, n: int, k: int, repetitions: int
) -> tuple[float, float]:
    """Five members between which nothing changes: how often any of four steps of mean length leaves 0 out."""
    rng = np.random.default_rng([seeds, n, k])
    now = before = 0
    for _ in range(repetitions):
        members = worlds.family(rng, heap, 5, seeds, n, k)
        steps, _ = family_steps([[clusters(m[:, None]) for m in member] for member in members])
        now += any(step.low > 0 or step.high < 0 for step in steps)
        means = [member.mean(axis=0) for member in members]
        former = [t_interval(b - a) for a, b in itertools.pairwise(means)]
        before += any(low > 0 or high < 0 for low, high in former)
    return now / repetitions, before / repetitions


def percent(share: float | None, digits: int = 1) -> str:
    return "none" if share is None else f"{100 * share:.{digits}f}"


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""]


def page(tables: Mapping[str, Table], repetitions: int) -> str:
    """The whole of results/intervals.md."""
    reach = 196 * np.sqrt(0.95 * 0.05 / repetitions)
    lines = [
        "# Do the intervals hold what they say",
        "",
        f"{datetime.date.today()}, numpy {np.__version__}, scipy {scipy.__version__}. "
        f"Command: `python benchmarks/intervals.py`. {repetitions:,} simulations a number, seeds fixed by n and k; "
        f"percent; a nominal 95 has a counting error of ±{reach:.1f}. In brackets: what was printed before. "
        "*none*: too few to say, no interval is printed. One and three seeds tell the steps of a family for these "
        "trained models only: where seeds differ they move without any effect.",
        "",
    ]
    for title, rows in tables.items():
        lines += [f"## {title}", "", *markdown(rows)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    repetitions = parser.parse_args().repetitions
    false, right = loss_tables(repetitions)
    rules = " / ".join(RULES)
    tables = {
        "Estimates: the interval holds the truth": estimates_table(repetitions),
        "A suite": suite_table(repetitions),
        f"False certificates of “loses at most X” at a true loss of X (nominal 5): {rules}": false,
        f"Right certificates at a true loss of X / 4 (k = 3): {rules}": right,
        "Mean over seeds, 300 problems: over seeds and problems (t over seeds)": seeds_table(repetitions),
        "A family of five without any effect, 100 problems, k = 3: any of four steps beyond its interval": family_table(
            repetitions
        ),
    }
    text = page(tables, repetitions)
    print(text)
    if repetitions == REPETITIONS:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
