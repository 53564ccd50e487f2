"""How often the 95 % intervals hold the truth, by simulation: written to benchmarks/results/intervals.md.

    python benchmarks/intervals.py                     # 5,000 repetitions of each, about a minute; scripts/long runs it
    python benchmarks/intervals.py --repetitions 50    # a look, and nothing is written

Each repetition draws an evaluation from a known truth: problems of differing difficulty, siblings that depend on their
problem, long-tailed lengths. Repetition number i draws from seed i, so the table is the same on every machine.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import scipy

from tersely import Estimate, clustered_mean, clustered_rate, paired_difference, paired_ratio
from tersely.analysis.aggregate import PairedSet, aes, aggregate_sets, pair

RESULT = Path(__file__).parent / "results" / "intervals.md"
REPETITIONS = 5000

Truths = Mapping[str, float]
Simulation = Callable[[np.random.Generator], Mapping[str, Estimate]]


def as_clusters(values_PK: np.ndarray) -> dict[str, list[float]]:
    """[P, K] numbers as the intervals take them: problem -> its responses."""
    return {str(problem): row.tolist() for problem, row in enumerate(values_PK)}


def accuracy(mean: float, problems: int) -> Simulation:
    """The share interval; chances of problems beta distributed about ``mean``, four responses each."""

    def draw(rng: np.random.Generator) -> Mapping[str, Estimate]:
        chance_P = rng.beta(4 * mean, 4 * (1 - mean), size=problems)
        return {f"accuracy {mean}": clustered_rate(as_clusters((rng.random((problems, 4)) < chance_P[:, None]) * 1.0))}

    return draw


def lengths(rng: np.random.Generator) -> Mapping[str, Estimate]:
    """The mean interval; gamma lengths about gamma means (mean 60)."""
    scale_P = rng.gamma(3, 20, size=60)
    return {"tokens": clustered_mean(as_clusters(rng.gamma(2, scale_P[:, None] / 2, size=(60, 4))))}


def paired(rng: np.random.Generator) -> Mapping[str, Estimate]:
    """Difference and ratio; a model that takes 60 % of the base's tokens (mean 100) on each problem."""
    scale_P = rng.gamma(4, 25, size=60)
    base, model = (as_clusters(rng.gamma(5, share * scale_P[:, None] / 5, size=(60, 4))) for share in (1.0, 0.6))
    return {"token difference": paired_difference(base, model), "token ratio": paired_ratio(base, model)}


def draw_sets(rng: np.random.Generator) -> list[PairedSet]:
    """Sets of another difficulty each; the model keeps 95 % of the accuracy and 60 % of the tokens on average."""
    sets = []
    for place, (problems, k) in enumerate([(30, 10), (200, 3), (120, 1)]):
        ease_P = rng.beta(4, 2, problems)
        right = [rng.binomial(k, chance_P, problems) / k for chance_P in (ease_P, 0.95 * ease_P)]
        heavy_P = rng.gamma(2.0, 400.0 * (place + 1), problems)
        spent = [heavy_P * rng.gamma(20, 1 / 20, problems), 0.6 * heavy_P * rng.gamma(10, 1 / 10, problems)]
        sets.append(pair(f"s{place}", *(as_clusters(values_P[:, None]) for values_P in (*right, *spent))))
    return sets


def aggregate(rng: np.random.Generator) -> Mapping[str, Estimate]:
    """The aggregate of a suite of three sets."""
    found = aggregate_sets(draw_sets(rng))
    return {"suite: accuracy ratio": found.accuracy, "suite: token ratio": found.tokens, "suite: AES": found.aes}


SIMULATIONS: list[tuple[Simulation, Truths]] = [
    (accuracy(0.6, 40), {"accuracy 0.6": 0.6}),
    (accuracy(0.9, 100), {"accuracy 0.9": 0.9}),
    (accuracy(0.97, 100), {"accuracy 0.97": 0.97}),
    (lengths, {"tokens": 60.0}),
    (paired, {"token difference": -40.0, "token ratio": 0.6}),
    (
        aggregate,
        {"suite: accuracy ratio": 0.95, "suite: token ratio": 0.6, "suite: AES": aes(0.95, 0.6)},
    ),
]


def shares_covered(simulation: Simulation, truths: Truths, repetitions: int) -> dict[str, float]:
    """Interval -> share of the repetitions in which it held the truth; one without an end held nothing."""
    hits = dict.fromkeys(truths, 0)
    for seed in range(repetitions):
        for name, found in simulation(np.random.default_rng(seed)).items():
            hits[name] += found.low is not None and found.low <= truths[name] <= found.high
    return {name: count / repetitions for name, count in hits.items()}


def page(shares: Mapping[str, float], repetitions: int) -> str:
    """The whole of results/intervals.md."""
    reach = 1.96 * np.sqrt(0.95 * 0.05 / repetitions)
    lines = [
        "# Do the intervals hold what they say",
        "",
        f"{datetime.date.today()}, numpy {np.__version__}, scipy {scipy.__version__}. "
        "Command: `python benchmarks/intervals.py`.",
        "",
        f"Share of {repetitions:,} simulated evaluations whose 95 % interval holds the truth (counting error "
        f"±{100 * reach:.1f} points).",
        "",
        "| interval | holds the truth |",
        "|---|---:|",
        *(f"| {name} | {share:.1%} |" for name, share in shares.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    repetitions = parser.parse_args().repetitions
    shares: dict[str, float] = {}
    for simulation, truths in SIMULATIONS:
        shares |= shares_covered(simulation, truths, repetitions)
    text = page(shares, repetitions)
    print(text)
    if repetitions == REPETITIONS:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
