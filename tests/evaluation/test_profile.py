"""What `tersely profile` says of a base: every statistic against a count made another way, and the command itself."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import betabinom

from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.intervals import pass_at_k
from tersely.analysis.profile import (
    beta_binomial_ends,
    cap_keeping_correct,
    clustered_quantile,
    length_spread,
    profile_records,
    signal_at,
)
from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation.profile import histogram, print_profile
from tersely.plan import read_lengths
from tersely.records import EvalRecord, Finish, Status
from tiny_models import make_model_folder, make_task

PROTOCOL = ProtocolFacts(max_new_tokens=100)


def responses(problem: str, marks: str, lengths: Sequence[int], difficulty: str | None = None) -> list[EvalRecord]:
    """One response a mark: c correct, w wrong, t truncated, u unjudged."""
    status = {"c": Status.CORRECT, "w": Status.WRONG, "t": Status.NO_ANSWER, "u": Status.UNJUDGED}
    return [
        EvalRecord(
            problem_id=problem,
            question="q",
            answer="1",
            difficulty=difficulty,
            sample=i,
            status=status[mark],
            correct=mark == "c",
            tokens=length,
            finish=Finish.LENGTH if mark == "t" else Finish.EOS,
            extracted=None,
            text="",
        )
        for i, (mark, length) in enumerate(zip(marks, lengths, strict=True))
    ]


FOUR = [
    *responses("p1", "cccc", [10, 20, 30, 40], "1"),
    *responses("p2", "ccww", [20, 40, 60, 80], "1"),
    *responses("p3", "wwwt", [50, 60, 70, 100], "2"),
    *responses("p4", "cwww", [30, 30, 30, 30], "2"),
]


def test_rates_and_groups_of_four_problems_by_hand() -> None:
    block = profile_records(FOUR, PROTOCOL).overall
    assert block.accuracy.value == 7 / 16
    assert block.truncated.value == 1 / 16
    assert block.groups.all_wrong.value == block.groups.all_correct.value == 1 / 4
    assert block.groups.all_wrong.low < 0.25 < block.groups.all_wrong.high
    assert block.groups.all_wrong.n == 4
    assert block.pass_at_k[4].value == 3 / 4
    lengths = block.lengths
    assert lengths.mean.value == pytest.approx(700 / 16)
    assert (lengths.median.value, lengths.max) == (30, 100)
    # Population std over mean: p1 sqrt(125) / 25, p2 10 / 30; (mean - min) / mean: 15 / 25 and 10 / 30.
    assert block.spread.problems == 2
    assert block.spread.std_over_mean.value == pytest.approx((125**0.5 / 25 + 1 / 3) / 2)
    assert block.spread.shortest_below_mean.value == pytest.approx((15 / 25 + 10 / 30) / 2)


def test_difficulties_are_profiled_by_themselves_easiest_first() -> None:
    found = profile_records(FOUR, PROTOCOL)
    assert list(found.by_difficulty) == ["1", "2"]
    easy, hard = found.by_difficulty.values()
    assert (easy.accuracy.value, hard.accuracy.value) == (6 / 8, 1 / 8)
    assert easy.lengths.mean.value == pytest.approx(300 / 8)
    assert hard.spread is None
    with pytest.raises(UserError, match="single response"):
        profile_records([], PROTOCOL)


def test_quantiles_go_back_to_the_same_distribution(tmp_path: Path) -> None:
    found = profile_records(FOUR, PROTOCOL)
    (tmp_path / "profile.json").write_text(json.dumps(found.to_json()))
    lengths = read_lengths(tmp_path)
    assert lengths.mean(100) == pytest.approx(700 / 16, rel=0.03)
    assert lengths.truncated(100) == pytest.approx(1 / 16, abs=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_signal_is_the_mean_over_all_subsets_of_n_responses(n: int) -> None:
    right = {"a": [1.0, 1, 1, 0, 0], "b": [0.0] * 5, "c": [1.0] * 5, "d": [0.0, 0, 1, 0, 0]}
    wrong, correct = (
        np.mean([np.mean([set(s) == {end} for s in itertools.combinations(v, n)]) for v in right.values()])
        for end in (0.0, 1.0)
    )
    found = signal_at(right, n)
    assert found is not None
    assert (found.all_wrong.value, found.all_correct.value) == pytest.approx((wrong, correct))
    assert found.mixed.value == pytest.approx(1 - wrong - correct)
    assert found.all_wrong.value == pytest.approx(1 - pass_at_k(right, n).value)


def test_signal_beyond_the_responses_seen_is_unbiased_for_a_beta_of_rates() -> None:
    # 4000 problems with rates from a beta(0.6, 0.9), 8 responses each; the truth at n = 16 from scipy's beta-binomial.
    rng = np.random.default_rng(1)
    rates = rng.beta(0.6, 0.9, 4000)
    right = {str(i): [float(x) for x in rng.random(8) < rate] for i, rate in enumerate(rates)}
    found = signal_at(right, 16)
    assert found is not None
    truth = betabinom(16, 0.6, 0.9)
    assert found.all_wrong.value == pytest.approx(truth.pmf(0), abs=0.02)
    assert found.all_correct.value == pytest.approx(truth.pmf(16), abs=0.02)
    assert found.mixed.low is None
    assert "extrapolation" in found.mixed.method


def test_beta_binomial_ends_and_their_limits() -> None:
    a, b = 2.0, 3.0
    first, second = a / (a + b), a * (a + 1) / ((a + b) * (a + b + 1))
    truth = betabinom(7, a, b)
    assert beta_binomial_ends(first, second, 7) == pytest.approx((truth.pmf(0), truth.pmf(7)))
    assert beta_binomial_ends(0.3, 0.09, 4) == pytest.approx((0.7**4, 0.3**4))
    assert beta_binomial_ends(0.3, 0.3, 4) == (0.7, 0.3)
    assert beta_binomial_ends(0.0, 0.0, 4) == (1.0, 0.0)


def test_one_unjudged_response_does_not_turn_counting_into_extrapolation() -> None:
    found = profile_records([*FOUR, *responses("p5", "cccu", [5, 5, 5, 5], "1")], PROTOCOL).overall.signal
    assert found[4].mixed.n == 4
    assert found[8].mixed.low is None
    assert signal_at({"a": [1.0]}, 4) is None
    assert signal_at({}, 4) is None


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250, 700, 1000])
def test_the_cap_is_the_smallest_that_loses_less_than_one_in_a_hundred(count: int) -> None:
    lengths = np.random.default_rng(count).permutation(np.arange(1, count + 1)).astype(float)
    found = cap_keeping_correct({str(i): [v] for i, v in enumerate(lengths)})
    assert found is not None
    cap = found.cap
    assert found.lost == (lengths > cap).mean()
    assert found.lost < 0.01
    assert (lengths > cap - 1).mean() >= 0.01
    assert cap_keeping_correct({}) is None


def test_the_interval_of_a_quantile_covers_the_truth() -> None:
    # 60 problems x 4 responses whose lengths share a factor of the problem; the median is exp(5) by symmetry. A 95 %
    # interval should miss about 5 in 100; 12 and more would happen once in 200 if it did.
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(100):
        level = rng.normal(5.0, 0.6, 60)
        lengths = {str(i): list(np.exp(m + rng.normal(0, 0.4, 4))) for i, m in enumerate(level)}
        found = clustered_quantile(lengths, 0.5)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        missed += not found.low <= np.exp(5.0) <= found.high
    assert 1 <= missed <= 11


def test_quantiles_of_ties_and_of_one_problem() -> None:
    tied = clustered_quantile({"a": [48.0, 48.0], "b": [48.0, 10.0]}, 0.9)
    # All responses lie at or below 48: Wilson over 2 problems gives [0.342, 1] for that share, a reach of 0.658 down
    # from the 0.9 asked for, so the lower end is the quantile at 0.242.
    assert (tied.low, tied.value, tied.high) == (10.0, 48.0, 48.0)
    assert clustered_quantile({"a": [1.0, 2.0, 3.0]}, 0.5).low is None
    assert length_spread({"a": [1.0], "b": [2.0]}) is None


def test_the_histogram_holds_every_response_once() -> None:
    for lengths in ([1], [7, 7, 7], [0, 3, 900, 32_000], list(range(1, 400))):
        records = [r for i, n in enumerate(lengths) for r in responses(str(i), "w", [n])]
        bins = profile_records(records, PROTOCOL).overall.lengths.histogram
        assert sum(bins.counts) == len(lengths)
        assert list(bins.edges) == sorted(set(bins.edges))
        assert len(histogram(bins).splitlines()) == 1 + len(bins.counts)


def test_the_reading_says_what_was_cut_and_leaves_alpha_open() -> None:
    said = profile_records(FOUR, PROTOCOL).reading
    assert "43.8 %" in said[0]
    assert "cut at the cap of 100" in said[2]
    assert "A cap of 40 tokens" in said[2]
    assert "does not follow" in said[-1]
    none = profile_records(responses("p", "uu", [1, 2]), PROTOCOL).reading
    assert "No response could be judged" in none[0]
    whole = profile_records(responses("p", "cc", [4, 5]), PROTOCOL).reading
    assert not any("cut at the cap" in sentence for sentence in whole)


def test_the_command_profiles_resumes_and_feeds_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 6)
    arguments = ["profile", str(model), "--task", str(task), "--size", "5", "--k", "3", "--max-new-tokens", "40"]
    assert main(arguments) == 2
    assert "--out" in capsys.readouterr().err
    arguments += ["--out", str(tmp_path / "out"), "--threads", "1"]
    overlap: list[bool] = []
    monkeypatch.setattr("tersely.evaluation.work.refuse_trained_on", lambda *given: overlap.append(given[-1]))
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "responses by length in tokens" in shown
    folder = tmp_path / "out" / "model" / "task"
    found = json.loads((folder / "profile.json").read_text())
    lines = [json.loads(line) for line in (folder / "responses.jsonl").read_text().splitlines()]
    assert found["overall"]["responses"] == len(lines) == 15
    assert found["protocol"]["temperature"] == 1.0
    assert found["overall"]["lengths"]["mean"]["value"] == pytest.approx(np.mean([line["tokens"] for line in lines]))

    assert overlap == [True]  # training problems may be profiled

    # A second run samples nothing: the responses are there, only the profile is computed again.
    monkeypatch.setattr("tersely.evaluation.run._respond", lambda *_: pytest.fail("sampled again"))
    (folder / "profile.json").unlink()
    assert main(arguments) == 0
    again = json.loads((folder / "profile.json").read_text())
    assert again["overall"] == found["overall"]

    capsys.readouterr()
    plan = ["plan", "--model", str(model), "--task", str(task), "--set", "sampling.prompts=4", "--json"]
    code = main([*plan, "--profile", str(folder), "--set", "sampling.max_new_tokens=40"])
    lengths = json.loads(capsys.readouterr().out)["lengths"]
    assert lengths["measured"]
    assert lengths["truncated"] == pytest.approx(found["overall"]["truncated"]["value"], abs=1e-3)
    assert code == (2 if lengths["truncated"] > 0.1 else 0)


def test_a_profile_without_anything_correct_prints() -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    print_profile(profile_records(responses("p", "wt", [4, 100]), PROTOCOL), console)
    assert "No response is correct" in console.export_text()
