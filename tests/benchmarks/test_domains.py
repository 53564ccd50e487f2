"""The benchmark of Countdown and ordering: which runs there are, what is frozen, and facts that can be told by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import domains
import domains_both
import domains_records
import domains_table
from domains import ALPHAS, SEEDS, TASKS, Place, write_problems
from domains_facts import Answers, Domain, above, against_search, price, saving
from domains_records import PROBLEM, RESPONSE, DomainRecords, line, pack
from packed import write_csv

from tersely.errors import UserError
from tersely.learn.run_setup import refuse_settings
from tersely.records import EvalRecord, Finish, Problem, Status
from tersely.tasks.sources.countdown import countdown_problems
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.toy.countdown import optimum


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domains")
    for task in TASKS:
        write_problems(folder / task, task, fresh=30, choosing=50)
    return folder


def words(out: Path, part: Callable[[Place], Iterator[domains.Chain]], task: str, seed: int) -> list[str]:
    return [job.command.text for chain in part(Place(out, task, seed)) for job in chain]


@pytest.mark.parametrize("task", TASKS)
def test_problems_that_are_asked_are_not_those_that_tune_chooses_by(out: Path, task: str) -> None:
    fresh, choosing = (
        [json.loads(row)["problem"] for row in (out / task / f"{name}.jsonl").read_text().splitlines()]
        for name in ("fresh", "choosing")
    )
    assert (len(fresh), len(choosing)) == (30, 50)
    assert len({*fresh, *choosing}) == len(fresh) + len(choosing)
    trained = {p.question for p in EMBEDDED_TASKS[task].load("train", 300)}
    assert not trained & {*fresh, *choosing}


@pytest.mark.parametrize("task", TASKS)
def test_the_first_base_has_every_alpha_and_the_others_two_and_a_ramp(out: Path, task: str) -> None:
    first, other = (words(out, domains.family, task, seed) for seed in SEEDS[:2])
    assert sum("tersely train" in text for text in first) == len(ALPHAS)
    assert sum("tersely train" in text for text in other) == 2
    assert not words(out, domains.ramp, task, SEEDS[0])
    [tune] = words(out, domains.ramp, task, SEEDS[1])
    assert "--reference best" in tune
    assert "choosing.jsonl" in tune
    others = words(out, domains.others, task, SEEDS[0])
    assert not words(out, domains.others, task, SEEDS[1])
    assert sum("--decoding budget:" in text for text in others) == len(domains.BUDGETS)
    assert sum("learner.averaging=" in text for text in others) == 2
    assert sum("--like" in text for text in others) == 1


@pytest.mark.parametrize("task", TASKS)
def test_every_run_is_one_that_training_accepts(out: Path, task: str) -> None:
    for alpha in ALPHAS:
        config = Place(out, task, 1).plan().config(domains.Variant("run", (f"objective.alpha={alpha:g}",)))
        refuse_settings(config)
        assert (config.task, config.sampling.prompts * config.sampling.n) == (task, 256)


def test_what_is_finished_is_not_begun_again(out: Path) -> None:
    at = Place(out, "countdown", 3)
    jobs = [job for chain in domains.others(Place(out, "countdown", 1)) for job in chain]
    assert not any(job.done for job in jobs)
    place = at.base / "evaluation" / "fresh@budget-abc123-40"
    place.mkdir(parents=True)
    (place / "summary.json").write_text("{}")
    assert [domains.forced(at, budget).done for budget in (4, 40, 140)] == [False, True, False]


def test_no_two_commands_share_a_log(out: Path) -> None:
    """What one of them said last is told as why it failed."""
    parts = (domains.base, domains.family, domains.others, domains.ramp)
    places = [Place(out, task, seed) for seed in SEEDS for task in TASKS]
    titles = [job.command.title for at in places for part in parts for chain in part(at) for job in chain]
    asked = domains_both.measurements(out, out / "both" / "seed-1" / "base", TASKS[0], ())
    titles += [command.title for chain in asked for command in chain.commands]
    assert len(titles) > 60
    assert len(set(titles)) == len(titles)


def test_what_was_tried_out_is_not_gone_on_with_as_the_benchmark(tmp_path: Path) -> None:
    domains.require_same_options(tmp_path, 30, ["run.steps=2"])
    domains.require_same_options(tmp_path, 30, ["run.steps=2"])
    for fresh, settings in ((1200, ["run.steps=2"]), (30, [])):
        with pytest.raises(UserError, match="begun with another --fresh or --set"):
            domains.require_same_options(tmp_path, fresh, settings)


def test_nothing_measured_makes_no_records(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing of countdown is measured yet"):
        pack([Place(out, "countdown", 2)], tmp_path / "countdown", "abc")
    assert not (tmp_path / "countdown").exists()


class Evaluated:
    """An evaluation of one response."""

    versions: Mapping[str, str] = {"torch": "2.13"}

    def responses(self) -> list[EvalRecord]:
        p = countdown_problems("held_out", 1, 0)[0]
        right, text = Status.CORRECT, "maybe check"
        return [EvalRecord(p.id, p.question, "", p.difficulty, 0, right, True, 30, Finish.EOS, None, text)]


def test_records_hold_nothing_of_an_earlier_packing(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its problems had numbers of their own, by which its answers would be taken for answers to others."""
    monkeypatch.setattr(domains_records, "measured", lambda at: iter([("base", Evaluated())]))
    for seeds in ((1, 2), (1,)):
        pack([Place(out, "countdown", seed) for seed in seeds], tmp_path / "countdown", "abc")
    found = DomainRecords("countdown", tmp_path).seeds
    assert list(found) == [1]
    [one] = found[1]["base"]
    assert (one.record.tokens, one.record.correct, sum(one.habits)) == (30, True, 2)


# ---- facts


def made(folder: Path, models: dict[str, Callable[[Problem], tuple[int, bool]]]) -> Domain:
    """Records of models that say how many tokens they take and whether they are right."""
    problems = countdown_problems("held_out", 40, 0)
    (place := folder / "countdown").mkdir()
    numbers = {p.id: number for number, p in enumerate(problems)}
    write_csv(place / "problems.csv.gz", PROBLEM, [(numbers[p.id], p.id, p.difficulty, p.question) for p in problems])
    rows = []
    for name, answer in models.items():
        for p in problems:
            tokens, right = answer(p)
            status = Status.CORRECT if right else Status.WRONG
            text = "maybe check" if right else "wait"
            record = EvalRecord(p.id, p.question, "", p.difficulty, 0, status, right, tokens, Finish.EOS, None, text)
            rows.append(line(name, record, numbers, "countdown"))
    write_csv(place / "responses-seed-1.csv.gz", RESPONSE, rows)
    about = {"commit": "abc", "machine": "2 cores", "versions": {"torch": "2.13"}, "seeds": {}}
    (place / "runs.json").write_text(json.dumps(about))
    return Domain(DomainRecords("countdown", folder))


def plain(problem: Problem) -> tuple[int, bool]:
    return optimum(problem).search, True


def double(problem: Problem) -> tuple[int, bool]:
    return 2 * optimum(problem).search, True


def first_stop(problem: Problem) -> tuple[int, bool]:
    stop = optimum(problem).stops[0]
    return stop.tokens, stop.right


def of(domain: Domain, name: str) -> Answers:
    found = domain.answers(1, name)
    assert found is not None
    return found


def test_the_plain_search_is_at_its_own_length_and_twice_is_twice(tmp_path: Path) -> None:
    domain = made(tmp_path, {"alpha-0": double, "alpha-0.2": plain, "alpha-0.4": first_stop})
    zero, some = of(domain, "alpha-0"), of(domain, "alpha-0.2")
    ratios = [against_search(domain, one) for one in (zero, some)]
    assert [ratio and ratio.value for ratio in ratios] == [2.0, 1.0]
    assert some.tokens.value == pytest.approx(domain.search_length())
    assert saving(zero, some).value == pytest.approx(0.5)
    assert price(zero, some).value == 0
    assert domain.best_accuracy(some.tokens.value) == 1.0


def test_giving_up_at_once_is_right_where_nothing_is_found_or_the_first_block_solves(tmp_path: Path) -> None:
    domain = made(tmp_path, {"alpha-0": plain, "alpha-0.4": first_stop})
    terse = of(domain, "alpha-0.4")
    assert domain.best_accuracy(terse.tokens.value) == pytest.approx(terse.accuracy.value)
    assert domain.best_accuracy(terse.tokens.value - 1) is None
    assert price(of(domain, "alpha-0"), terse).value == pytest.approx(terse.accuracy.value - 1)
    parts = domain.kinds
    assert [len(names) for names in parts.values()] == [20, 20]
    assert terse.of(parts["without a solution"]).accuracy.value == 1.0
    assert terse.shown(domain.records.habits.index("check")) == pytest.approx(terse.accuracy.value)


def test_a_model_on_the_line_between_two_lies_not_above_it(tmp_path: Path) -> None:
    domain = made(
        tmp_path,
        {
            "alpha-0": lambda p: (100, True),
            "alpha-0.4": lambda p: (50, False),
            "other": lambda p: (75, int(p.id, 16) % 2 == 0),
            "longest": lambda p: (200, True),
        },
    )
    line_of = [of(domain, "alpha-0"), of(domain, "alpha-0.4")]
    gap = above(line_of, of(domain, "other"))
    assert gap is not None
    assert gap.value == pytest.approx(of(domain, "other").accuracy.value - 0.5)
    assert above(line_of, of(domain, "longest")) is None


def test_the_interval_above_a_line_knows_that_tokens_are_noisy_too(tmp_path: Path) -> None:
    """All are right in every second problem; one costs 40 or 110 tokens by chance, where the line rises by 1 in 50."""
    models = {
        "alpha-0": lambda p: (100, True),
        "alpha-0.4": lambda p: (50, False),
        "even": lambda p: (75, int(p.id, 16) % 2 == 0),
        "noisy": lambda p: (40 + 70 * (int(p.id, 16) // 2 % 2), int(p.id, 16) % 2 == 0),
    }
    domain = made(tmp_path, models)
    line_of = [of(domain, "alpha-0"), of(domain, "alpha-0.4")]
    even, noisy = (above(line_of, of(domain, name)) for name in ("even", "noisy"))
    assert even is not None
    assert noisy is not None
    own = of(domain, "noisy")
    assert noisy.value == pytest.approx(own.accuracy.value - (own.tokens.value - 50) / 50)
    widths = [one.high - one.low for one in (even, noisy) if one.high is not None and one.low is not None]
    assert widths[1] > 1.3 * widths[0]


def test_quarters_hold_every_problem_once_and_grow(tmp_path: Path) -> None:
    domain = made(tmp_path, {"alpha-0": plain})
    assert sorted(name for part in domain.quarters for name in part) == sorted(domain.optima)
    lengths = [domain.search_length(part) for part in domain.quarters]
    assert lengths == sorted(lengths)


def test_a_smaller_cap_makes_longer_answers_wrong(tmp_path: Path) -> None:
    domain = made(tmp_path, {"base": plain})
    base = of(domain, "base")
    limit = sorted(record.tokens for record in base.records)[9]
    short = base.cut(limit)
    kept = sum(record.tokens <= limit for record in base.records)
    assert short.accuracy.value == pytest.approx(kept / 40)
    assert max(record.tokens for record in short.records) == limit


def test_the_page_is_made_of_records_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, {"base": double, "alpha-0": plain, "alpha-0.2": first_stop, "base@budget-40": first_stop})
    monkeypatch.setattr(sys, "argv", ["x", "--records", str(tmp_path), "--result", str(tmp_path / "page.md")])
    domains_table.main()
    page = (tmp_path / "page.md").read_text()
    assert "| alpha 0.2 |" in page
    assert "thinking ended at 40" in page
