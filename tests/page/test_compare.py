"""The comparison: baselines beside the family, published tables as published, nothing mixed or averaged in silence."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

import fake_runs
from fake_runs import make_baseline, write_variant
from pages import PAYLOADS, Page, blank_figures
from tersely.analysis import cut, paired_saving
from tersely.analysis.clusters import token_clusters
from tersely.analysis.cutoff import cutoff_limits
from tersely.analysis.payback import Payback
from tersely.analysis.seeds import SeedMean
from tersely.errors import UserError
from tersely.evaluation.cost import cost_of, joined
from tersely.evaluation.protocol import parse_name
from tersely.evaluation.runs import read_run
from tersely.page.block import Options
from tersely.page.blocks.ablations import ablations
from tersely.page.blocks.behaviours import behaviour_tables, unmeasured
from tersely.page.blocks.checkpoints import curves
from tersely.page.blocks.costs import cost_table, paybacks, prompts_sentence
from tersely.page.blocks.findings import monotone
from tersely.page.blocks.frontier import below_view
from tersely.page.blocks.matched import matched
from tersely.page.collect import collect
from tersely.page.figure import make_looks
from tersely.page.message import make_message, warnings
from tersely.page.published import published_planes, published_standings, read_published
from tersely.page.records import Comparison, Role, View, Who
from tersely.page.render import write_comparison, write_published
from tersely.page.standings import Plane, Spot, Standing, best_of, plane_of, plane_sentence, stand, standings
from tersely.records import Estimate


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base with a prompted variant and a repeat, two alphas with checkpoints, an ablation and two baselines."""
    root = tmp_path_factory.mktemp("runs")
    base, (a0, a2) = fake_runs.make_family(root, alphas=(0.0, 0.2), steps=20)
    write_variant(base, f"{fake_runs.TASK}@limit-64", fake_runs.make_records(0.0, 5), instruction="limit:64")
    write_variant(base, f"{fake_runs.TASK}@repeat-1", fake_runs.make_records(None, 9), seed=8, repeat=1)
    asked_again = {"instruction": "limit:64", "seed": 8, "repeat": 1}
    write_variant(base, f"{fake_runs.TASK}@limit-64@repeat-1", fake_runs.make_records(0.0, 7), **asked_again)
    write_variant(base, f"{fake_runs.TASK}@odd", fake_runs.make_records(0.0, 6))
    for run, alpha in ((a0, 0.0), (a2, 0.2)):
        for step in (10, 20):
            write_variant(run, f"{fake_runs.TASK}@step-{step:06d}", fake_runs.make_records(alpha, step), step=step)
    ablation = fake_runs.make_run(root, base, 0.2, steps=20, normalize="group")
    sft = make_baseline(root, base, "sft", 1e-5, 0.05, (200_000, 100_000, 11.0))
    dpo = make_baseline(root, base, "dpo", 5e-6, 0.1, (200_000, 200_000, 15.0))
    return {"root": root, "base": base, "a0": a0, "a2": a2, "ablation": ablation, "sft": sft, "dpo": dpo}


@pytest.fixture(scope="module")
def comparison(runs: dict[str, Path]) -> Comparison:
    return collect([runs[name] for name in ("a0", "a2", "ablation", "sft", "dpo")])


def compared(runs: dict[str, Path], out: Path) -> Path:
    given = [runs[name] for name in ("a0", "a2", "ablation", "sft", "dpo")]
    return write_comparison(given, None, out, Options(2.0, 3.0, commands=["tersely compare x"]))


@pytest.fixture(scope="module")
def page(runs: dict[str, Path]) -> Path:
    """All but its figures."""
    with pytest.MonkeyPatch.context() as patch:
        blank_figures(patch)
        return compared(runs, runs["root"] / "out")


def told(comparison: Comparison) -> View:
    return comparison.view(*(role for role in Role if role is not Role.CUTOFF))


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


# --- published tables ---------------------------------------------------------------------------------------------


def test_the_published_aggregate_comes_out_as_published() -> None:
    """The paper's table 13 (7B) is typed by itself and recomputed here from its tables 8 to 12."""
    tables = read_published("7b")
    mine = {s.label: s for s in published_standings(tables) if s.sets}
    printed = [row for row in tables["aggregate"] if row["label"] in mine]
    assert len(printed) == 7
    for row in printed:
        assert mine[row["label"]].accuracy.value == pytest.approx(row["accuracy"], abs=5e-4), row["label"]
        assert mine[row["label"]].tokens.value == pytest.approx(row["tokens"], abs=5e-4), row["label"]


def test_the_published_family_is_not_monotone_at_the_small_scale() -> None:
    found = published_standings(read_published("1.5b"))
    by_label = {s.label: s for s in found}
    # By hand from tables 3 to 7, tokens of alpha 0.05: (9196/15476 + 2606/5278 + 766/705 + 626/1172 + 4320/9246) / 5.
    assert by_label["α 0.05"].tokens.value == pytest.approx(0.635168, abs=1e-6)
    assert by_label["α 0.05"].tokens.value < by_label["α 0.1"].tokens.value
    assert by_label["α 0.05"].accuracy.value > by_label["α 0.1"].accuracy.value
    assert "α 0.05 beats α 0.1 on both axes, so the family is not monotone there." in monotone(found)
    larger = [sentence for sentence in monotone(published_standings(read_published("7b"))) if "beats" in sentence]
    assert larger == ["α 0.1 beats α 0.05 on both axes, so the family is not monotone there."]


@pytest.mark.slow
def test_published_planes_have_no_intervals_and_every_number_has_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scale in ("7b", "1.5b"):
        tables = read_published(scale)
        assert all(row["source"] for row in [*tables["rows"], *tables["aggregate"], *tables["further"]])
        assert len({plane.name for plane in published_planes(tables)}) == 6  # of files: each set has its own
        for plane in published_planes(tables):
            assert plane.printed
            assert all(spot.tokens.low is None and spot.accuracy.low is None for spot in plane.spots)
    blank_figures(monkeypatch)
    planes = published_planes(read_published("1.5b"))[:2]
    monkeypatch.setattr("tersely.page.published.published_planes", lambda _: planes)
    out = write_published("1.5b", tmp_path / "out")
    text = "".join(Page(out.read_text(encoding="utf-8")).texts)
    assert "The source prints no intervals" in text
    assert "[" not in (out.parent / "tables" / "aggregate.csv").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="3b"):
        read_published("3b")


# --- what is compared ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_run_finds_its_place(comparison: Comparison) -> None:
    roles = {c.label: c.role for c in comparison.contenders}
    assert roles["base"] is Role.BASE
    assert roles["α 0"] is roles["α 0.2"] is Role.FAMILY
    assert roles["α 0.2 (normalize group)"] is Role.ABLATION
    assert roles["SFT lr 1e-05"] is roles["DPO lr 5e-06"] is Role.BASELINE
    assert roles["limit-64"] is Role.PROMPTED
    assert not any("repeat" in label for label in roles)
    assert "odd" not in roles  # a variant without an instruction is some other measurement
    made = [(checkpoint.label, checkpoint.step) for checkpoint in comparison.checkpoints]
    assert made == [("α 0", 10), ("α 0", 20), ("α 0.2", 10), ("α 0.2", 20)]
    assert [e.label for e in comparison.view().line] == ["α 0", "α 0.2"]
    assert parse_name("paper.gsm8k@step-000010@limit-512") == type(parse_name("x"))("paper.gsm8k", 10, "limit-512")


@pytest.mark.slow
def test_a_repetition_under_another_protocol_is_no_noise_floor(tmp_path: Path) -> None:
    base, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=3)
    records = fake_runs.make_records(None, 9, problems=20)
    write_variant(base, f"{fake_runs.TASK}@repeat-1", records, seed=8, repeat=1, size=20)
    (floor,) = collect([run], allow_mixed=True).noise[fake_runs.TASK]
    assert floor.source.startswith("two halves")
    asked = fake_runs.make_records(0.4, 9)
    rules = {"seed": 8, "repeat": 1, "instruction": "concise"}
    (base / "evaluation" / f"{fake_runs.TASK}@repeat-1").rename(tmp_path / "away")
    write_variant(base, f"{fake_runs.TASK}@concise@repeat-1", asked, **rules)
    (floor,) = collect([run]).noise[fake_runs.TASK]
    assert floor.source.startswith("two halves")


@pytest.mark.slow
def test_savings_are_paired_with_the_base(comparison: Comparison, runs: dict[str, Path]) -> None:
    base, sft = (read_run(runs[name]).evaluations[fake_runs.TASK].responses() for name in ("base", "sft"))
    expected = paired_saving(token_clusters(base), token_clusters(sft))
    entry = next(c for c in comparison.contenders if c.label.startswith("SFT")).entries[fake_runs.TASK]
    assert entry.gain("token_saving") == expected
    standing = next(s for s in standings(comparison) if s.label.startswith("SFT"))
    assert standing.tokens.value == pytest.approx(1 - expected.value)


def test_cutoffs_come_from_the_bases_kept_responses(comparison: Comparison, runs: dict[str, Path]) -> None:
    records = read_run(runs["base"]).evaluations[fake_runs.TASK].responses()
    found = [c for c in comparison.contenders if c.role is Role.CUTOFF]
    assert [int(c.label.split()[1]) for c in found] == cutoff_limits([records])
    for contender in found:
        limit = int(contender.label.split()[1])
        expected = sum(min(record.tokens, limit) for record in records) / len(records)
        tokens, accuracy = (contender.entries[fake_runs.TASK].overall(key) for key in ("tokens", "accuracy"))
        assert tokens is not None
        assert accuracy is not None
        assert tokens.value == pytest.approx(expected)
        assert accuracy.value == pytest.approx(sum(r.correct for r in cut(records, limit)) / len(records))


def test_long_responses_are_cut_where_the_paper_cut_them() -> None:
    records = fake_runs.make_records(None, 0, problems=6)
    long = [replace(r, tokens=9000 + 5000 * i) for i, r in enumerate(r for r in records if r.finish == "eos")]
    assert cutoff_limits([long])[:2] == [8192, 16384]
    truncated = [*long, replace(long[0], sample=7, tokens=12000, finish=type(long[0].finish).LENGTH)]
    assert cutoff_limits([truncated]) == [8192]  # how a stopped response goes on is not known beyond 12,000


@pytest.mark.slow
def test_several_seeds_are_a_mean_and_few_of_them_have_no_interval(tmp_path: Path) -> None:
    bases = [fake_runs.make_base(tmp_path, seed, f"base-{seed}") for seed in (0, 1)]
    trained = [fake_runs.make_run(tmp_path, bases[seed], 0.2, seed=seed, steps=3) for seed in (0, 1)]
    found = collect(trained)
    spot = next(s for s in plane_of(found).spots if s.alpha == 0.2)
    values = [read_run(run).evaluations[fake_runs.TASK].summary.overall.tokens.value for run in trained]
    assert (spot.tokens.n, spot.tokens.value) == (2, pytest.approx(sum(values) / 2))
    assert spot.tokens.method == "no interval: too few seeds to say (fewer than 10)"
    assert spot.tokens.low is None
    assert [tokens for tokens, _ in spot.seeds] == values
    twin = tmp_path / "twin"
    twin.mkdir()
    for name in ("config.json", "evaluation"):
        (twin / name).symlink_to(trained[0] / name)
    with pytest.raises(UserError, match=r"both α 0\.2 with seed 0"):
        collect([trained[0], twin])


@pytest.mark.slow
def test_a_second_round_is_no_seed_of_the_first_and_meets_the_first_base(runs: dict[str, Path], tmp_path: Path) -> None:
    again = fake_runs.make_run(tmp_path, runs["a0"] / "checkpoints" / "step-000020", 0.2, steps=20)
    found = collect([runs["a2"], again])
    (second,) = [c for c in found.contenders if c.role is Role.ABLATION]
    assert second.label == f"α 0.2 (after {runs['a0'].name})"
    assert second.entries[fake_runs.TASK].results[0].base_path == runs["base"]
    (pair,) = ablations(found)
    assert (pair.label, pair.against) == (second.label, "α 0.2")


def test_ablations_are_paired_with_the_member_of_the_same_alpha(comparison: Comparison, runs: dict[str, Path]) -> None:
    usual, other = (read_run(runs[name]).evaluations[fake_runs.TASK].responses() for name in ("a2", "ablation"))
    (found,) = ablations(comparison)
    assert (found.label, found.against) == ("α 0.2 (normalize group)", "α 0.2")
    assert found.saving == paired_saving(token_clusters(usual), token_clusters(other))


@pytest.mark.slow
def test_without_the_family_the_headline_says_so(runs: dict[str, Path]) -> None:
    found = collect([runs["sft"], runs["dpo"]])
    message = make_message(found, Options(found=standings(found)))
    assert message.chosen == "DPO lr 5e-06"
    assert any(
        s.startswith("No member of the family is here; the best of the rest, DPO lr 5e-06") for s in message.lead
    )
    alone = make_message(replace(found, contenders=found.contenders[:1]), Options())
    assert alone.headline == "Nothing here can be compared with a base"


@pytest.mark.slow
def test_over_data_sets_every_set_weighs_the_same(tmp_path: Path) -> None:
    base, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2)
    fake_runs.write_evaluation(base, fake_runs.make_records(None, 3, problems=20), 2, task="paper.gsm8k")
    fake_runs.write_evaluation(run, fake_runs.make_records(0.2, 4, problems=20), 2, task="paper.gsm8k")
    found = collect([run])
    assert found.datasets == (fake_runs.TASK, "paper.gsm8k")
    (standing,) = [s for s in standings(found) if s.role is Role.FAMILY]
    ratios = []
    for name in found.datasets:
        one, other = (read_run(path).evaluations[name].summary.overall for path in (base, run))
        ratios.append((other.accuracy.value / one.accuracy.value,
                       other.tokens.value / one.tokens.value))  # fmt: skip
    assert standing.accuracy.value == pytest.approx(sum(a for a, _ in ratios) / 2)
    assert standing.tokens.value == pytest.approx(sum(t for _, t in ratios) / 2)
    assert standing.tokens.low is not None
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "config.json").write_text((run / "config.json").read_text().replace('"alpha": 0.2', '"alpha": 0.3'))
    fake_runs.write_evaluation(lonely, fake_runs.make_records(0.2, 4), 2)
    found = collect([run, lonely])
    assert "α 0.3" not in {s.label for s in standings(found)}
    assert "Not evaluated on every data set of the base, so in no aggregate: α 0.3." in warnings(
        found, standings(found)
    )


# --- budgets and payback ------------------------------------------------------------------------------------------


def test_costs_are_sums_of_the_logs(runs: dict[str, Path]) -> None:
    run = read_run(runs["a2"])
    half = cost_of(run, until=10)
    assert half.sampled == sum(row.response_tokens for row in run.journal[:10])
    assert half.wall == pytest.approx(10 * 1.23)
    sft = cost_of(read_run(runs["sft"]))
    assert (sft.sampled, sft.trained, sft.wall, sft.tokens) == (2e5, 1e5, 11.0, 3e5)
    assert joined([cost_of(run)] * 2, fmean) == cost_of(run)
    assert not sft.with_prompts


def test_a_clock_that_counted_prompts_is_marked(comparison: Comparison, runs: dict[str, Path]) -> None:
    dpo = cost_of(read_run(runs["dpo"]))
    assert (dpo.trained, dpo.with_prompts) == (200_000 + 7777, True)
    assert joined([cost_of(read_run(runs[name])) for name in ("sft", "dpo")], fmean).with_prompts
    (sentence,) = prompts_sentence(comparison)
    assert "DPO lr 5e-06" in sentence
    assert "SFT" not in sentence
    rows = {row[0]: row[-1] for row in cost_table(comparison).rows}
    assert (rows["SFT lr 1e-05"], rows["DPO lr 5e-06"]) == ("responses", "prompts too")


@pytest.mark.slow
def test_curves_on_fewer_problems_meet_the_base_on_the_same(tmp_path: Path) -> None:
    """Every second problem and one response of two: the base's other responses must not move the ratio."""
    base, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2)
    records = fake_runs.make_records(0.2, 3)
    kept = {record.problem_id for record in records[::4]}
    part = [record for record in records if record.problem_id in kept and record.sample == 0]
    write_variant(run, f"{fake_runs.TASK}@step-000001", part, size=len(part), k=1, step=1, task_sha256="other")
    found = collect([run])
    (made,) = found.checkpoints
    entry = made.entries[fake_runs.TASK]
    whole = read_run(base).evaluations[fake_runs.TASK].responses()
    alone = [r for r in whole if r.problem_id in kept and r.sample == 0]
    assert entry.gain("token_saving") == paired_saving(token_clusters(alone), token_clusters(part))
    (begin, start), *_ = curves(found)["α 0.2"]
    assert begin == 0
    assert start.overall("tokens").value == pytest.approx(sum(r.tokens for r in alone) / len(alone))  # type: ignore[union-attr]
    standing = stand(made, found)
    assert standing is not None
    assert standing.tokens.value == pytest.approx(sum(r.tokens for r in part) / sum(r.tokens for r in alone))
    strangers = [replace(record, problem_id=f"new-{record.problem_id}") for record in part]
    write_variant(run, f"{fake_runs.TASK}@step-000001", strangers, size=len(part), k=1, step=1, task_sha256="other")
    with pytest.raises(UserError, match="evaluated under another k"):
        collect([run])


@pytest.mark.slow
def test_a_checkpoint_of_one_seed_is_no_point_of_a_line_of_two(tmp_path: Path) -> None:
    bases = [fake_runs.make_base(tmp_path, seed, f"base-{seed}") for seed in (0, 1)]
    trained = [fake_runs.make_run(tmp_path, bases[seed], 0.2, seed=seed, steps=3) for seed in (0, 1)]
    for seed, steps in ((0, (1, 2)), (1, (2,))):
        for step in steps:
            records = fake_runs.make_records(0.2, 3 + seed)
            write_variant(trained[seed], f"{fake_runs.TASK}@step-{step:06d}", records, step=step)
    measured = collect(trained).checkpoints
    assert {made.step: len(made.entries[fake_runs.TASK].results) for made in measured} == {2: 2}
    assert {made.step for made in collect(trained[:1]).checkpoints} == {1, 2}


def test_matching_names_the_best_within_a_budget_that_all_can_keep(comparison: Comparison) -> None:
    rows = matched(comparison, standings(comparison))
    assert {row.axis for row in rows} == {"training tokens", "wall seconds"}
    wall = {row.method: row for row in rows if row.axis == "wall seconds"}
    # Cheapest candidates: RL at step 10 12.3 s, SFT 11 s, DPO 15 s; so the budget is 15 s and RL stops at step 10.
    assert {row.budget for row in wall.values()} == {15.0}
    assert wall["RL with the length penalty"].best.label == "α 0.2 at step 10"
    assert wall["SFT"].best.label == "SFT lr 1e-05"
    assert all(row.spent <= row.budget for row in rows)


def test_payback_is_cost_over_saving_and_never_where_nothing_is_saved(comparison: Comparison) -> None:
    some = Payback("x", "d", "tokens", 1000.0, Estimate(10.0, 5.0, 20.0, 9, ""))
    assert some.queries == (100.0, 50.0, 200.0)
    assert some.words == "100 [50, 200]"
    assert replace(some, saved=Estimate(10.0, -1.0, 20.0, 9, "")).words == "100 [50, never]"
    assert replace(some, saved=Estimate(-2.0, -5.0, -1.0, 9, "")).words == "never"
    assert replace(some, saved=Estimate(10.0, None, None, 1, "")).words == "100"
    sft = {p.currency: p for p in paybacks(comparison, Options(2.0, 3.0)) if p.label.startswith("SFT")}
    # 11 s at 3 an hour, over the same tokens saved at 2 a million.
    assert sft["USD"].queries[0] == pytest.approx(11 / 3600 * 3 / (sft["tokens"].saved.value * 2e-6))
    assert sft["tokens"].queries[0] == pytest.approx(3e5 / sft["tokens"].saved.value)


def test_whoever_chose_a_member_pays_back_the_training_of_all(comparison: Comparison, runs: dict[str, Path]) -> None:
    found = {p.label: p for p in paybacks(comparison, Options(chosen="α 0.2")) if p.currency == "tokens"}
    alone, searched = found["α 0.2"], found["α 0.2, with the search over 2 alphas"]
    assert searched.cost == sum(cost_of(read_run(runs[name])).tokens for name in ("a0", "a2"))  # type: ignore[misc]
    assert (searched.saved, alone.cost) == (alone.saved, cost_of(read_run(runs["a2"])).tokens)
    assert next(iter(found)) == searched.label
    assert "search" not in " ".join(p.label for p in paybacks(comparison, Options(chosen="SFT lr 1e-05")))


@pytest.mark.slow
def test_checkpoints_of_one_seed_are_no_part_of_a_line_of_several(tmp_path: Path) -> None:
    bases = [fake_runs.make_base(tmp_path, seed, f"base-{seed}") for seed in (0, 1)]
    trained = [fake_runs.make_run(tmp_path, bases[seed], 0.2, seed=seed, steps=3) for seed in (0, 1)]
    for run, step, seed in ((trained[0], 1, 5), (trained[0], 2, 6), (trained[1], 2, 7), (trained[0], 3, 8)):
        write_variant(run, f"{fake_runs.TASK}@step-{step:06d}", fake_runs.make_records(0.2, seed), step=step)
    curve = curves(collect(trained))["α 0.2"]
    assert [(step, len(entry.results)) for step, entry in curve] == [(0, 2), (2, 2)]
    alone = curves(collect(trained[:1]))["α 0.2"]
    assert [step for step, _ in alone] == [0, 1, 2, 3]
    assert [result.run.path for result in alone[0][1].results] == bases[:1]


def test_the_best_keeps_accuracy_first() -> None:
    def standing(label: str, accuracy: float, tokens: float) -> Standing:
        one = Estimate(accuracy, None, None, 1, "")
        return Standing(label, Role.FAMILY, "family", 0.1, "", one, replace(one, value=tokens), None, {})

    found = [standing("lossless", 1.0, 0.8), standing("good", 0.985, 0.6), standing("terse", 0.9, 0.2)]
    assert best_of(found).label == "good"  # type: ignore[union-attr]
    assert best_of(found[2:]).label == "terse"  # type: ignore[union-attr]
    assert best_of([]) is None


# --- behaviours, and what stands where ------------------------------------------------------------------------------


def test_behaviours_are_those_of_the_summaries(comparison: Comparison, runs: dict[str, Path]) -> None:
    view = told(comparison)
    assert not [e.label for e in view.entries if "cutoff" in e.label]
    phrases, others = behaviour_tables(view)
    block = read_run(runs["sft"]).evaluations[fake_runs.TASK].summary.overall
    (row,) = [row for row in phrases.rows if row[0] == "SFT lr 1e-05"]
    assert list(row[1:]) == [block.behaviours[name] for name in view.phrases]
    (row,) = [row for row in others.rows if row[0] == "SFT lr 1e-05"]
    assert row[1] == block.overthinking.tokens_after_answer
    assert row[-2:] == (block.spread.std_over_mean, block.spread.shortest_below_mean)
    by_difficulty = behaviour_tables(view, by_difficulty=True, picked={"base", "α 0.2"})[0]
    assert {row[1] for row in by_difficulty.rows} == {e.label for e in view.entries}
    assert {row[1] for row in by_difficulty.shown()} == {"base", "α 0.2"}
    assert unmeasured(view) == []


@pytest.mark.slow
def test_what_an_older_summary_lacks_is_said_and_other_phrases_are_left_out(tmp_path: Path) -> None:
    base = fake_runs.make_base(tmp_path)
    old, other = (fake_runs.make_run(tmp_path, base, alpha, steps=2) for alpha in (0.1, 0.2))
    for run, change in ((old, {"overall": None}), (other, {"phrases": {"verification": ["hm"]}})):
        path = run / "evaluation" / fake_runs.TASK / "summary.json"
        document = json.loads(path.read_text())
        if change.get("phrases"):
            document["summary"].update(change)
        else:
            del document["summary"]["overall"]["spread"], document["summary"]["overall"]["overthinking"]
        path.write_text(json.dumps(document))
    view = told(collect([old, other]))
    said = " ".join(unmeasured(view))
    assert "Not measured for α 0.1: spread of lengths" in said
    assert "Counted by other phrases, so left out: α 0.2." in said
    phrases, others = behaviour_tables(view)
    assert next(row for row in phrases.rows if row[0] == "α 0.2")[1:] == (None,) * len(view.phrases)
    assert set(next(row for row in others.rows if row[0] == "α 0.1")[1:]) == {None}


def test_ablations_stand_on_the_frontier_only_when_asked_for(comparison: Comparison, runs: dict[str, Path]) -> None:
    def labels(some: Comparison, with_ablations: bool = False) -> set[str]:
        return {spot.label for spot in plane_of(some, with_ablations).spots}

    assert "α 0.2 (normalize group)" not in labels(comparison)
    assert "α 0.2 (normalize group)" in labels(comparison, with_ablations=True)
    alone = tuple(c for c in comparison.contenders if c.role is not Role.FAMILY)
    assert "α 0.2 (normalize group)" in labels(replace(comparison, contenders=alone))


@pytest.mark.slow
def test_contenders_stand_by_alpha_and_by_rate_and_room_is_no_departure(
    tmp_path: Path,
) -> None:
    base = fake_runs.make_base(tmp_path)
    tuned = [make_baseline(tmp_path, base, "sft", rate, 0.1, (9, 9, 9.0)) for rate in (1e-4, 1e-5, 3e-5)]
    twin = tmp_path / "twin"  # a second seed, learnt from its own samples
    shutil.copytree(tuned[0], twin)
    document = json.loads((twin / "config.json").read_text())
    document["config"].update(seed=1, samples_seed=1)
    (twin / "config.json").write_text(json.dumps(document))
    trained = [fake_runs.make_run(tmp_path, base, alpha, steps=2) for alpha in (0.4, 0.05)]
    config = json.loads((trained[0] / "config.json").read_text())
    config["config"].setdefault("learner", {})["token_budget"] = 1536
    (trained[0] / "config.json").write_text(json.dumps(config))
    found = [c.label for c in collect([*tuned, twin, *trained]).contenders if c.role is not Role.CUTOFF]
    assert found == ["base", "α 0.05", "α 0.4", "SFT lr 1e-05", "SFT lr 3e-05", "SFT lr 1e-04"]


@pytest.mark.slow
def test_a_noise_floor_reaches_either_way(page: Path) -> None:
    markdown = (page.parent / "compare.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"Changes below this are noise, points \|\n.*\n(.*)\n", markdown)
    assert re.search(r"\| ±\d+\.\d \|$", row)


# --- the page -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_is_whole_and_loads_nothing(runs: dict[str, Path], tmp_path: Path) -> None:
    page = compared(runs, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    found = Page(text)
    for tag, attributes in found.tags:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcset", "action"}]
        assert (attributes.get("href") or attributes.get("xlink:href") or "#").startswith(("#", "data:,"))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for _, a in found.tags if (a.get("href") or "").startswith("#")} <= set(ids)
    shown = "".join(found.texts)
    assert all(words in shown for words in ("better", "limit-64", "Noise floor", "Majority of k", "tersely compare x"))
    names = {path.name for path in (page.parent / "figures").iterdir()}
    for name in (
        "plane_arithmetic",
        "checkpoints_arithmetic",
        "behaviours_arithmetic",
        "training",
        "training_ablations",
        "by_difficulty_arithmetic",
        "ablations",
        "by_alpha",
    ):
        assert {f"{name}.svg", f"{name}.pdf", f"{name}.png"} <= names
    assert (page.parent / "figures" / "plane_arithmetic.pdf").read_bytes().startswith(b"%PDF")
    markdown = (page.parent / "compare.md").read_text(encoding="utf-8")
    assert all((page.parent / link).is_file() for link in re.findall(r"\]\(([^)]*)\)", markdown))


@pytest.mark.slow
def test_dominated_points_are_named(page: Path) -> None:
    rows = {row["model"]: row for row in rows_of(page.parent / "tables" / "plane_arithmetic.csv")}
    for row in rows.values():
        better = [
            other["model"] for other in rows.values()
            if float(other["tokens"]) < float(row["tokens"]) and float(other["accuracy"]) > float(row["accuracy"])
        ]  # fmt: skip
        assert set(better) <= set(row["dominated_by"].split(", ")), row["model"]
    assert "α 0.2" in rows["base"]["dominated_by"]


@pytest.mark.slow
def test_hostile_names_stay_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a set of one problem, which has nothing to draw bars or difficulties from."""
    monkeypatch.setattr("tersely.page.render.ENDINGS", ("svg",))
    base, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2, problems=1)
    for path in (base, run):
        summary = path / "evaluation" / fake_runs.TASK / "summary.json"
        document = json.loads(summary.read_text())
        document["command"], document["protocol"]["template"] = "\n".join(PAYLOADS), PAYLOADS[1]
        summary.write_text(json.dumps(document))
    page = write_comparison([run], None, tmp_path / "out")
    found = Page(page.read_text(encoding="utf-8"))
    assert not {"script", "img"} & {tag for tag, _ in found.tags}
    assert PAYLOADS[1] in "".join(found.texts)


def test_every_method_has_its_own_shape_and_the_far_below_is_told() -> None:
    listed = [("base", Role.BASE, "base", None), ("a", Role.FAMILY, "family", 0.0), ("b", Role.FAMILY, "family", 0.4)]
    listed += [(name, Role.BASELINE, name, None) for name in ("SFT", "DPO", "O1-Pruner")]
    listed += [("limit-64", Role.PROMPTED, "limit", None), ("i", Role.OTHER, "other models", None)]
    looks = make_looks(Who(*who, "") for who in listed)
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert len({look.color for look in looks.values()}) == len(looks)

    def spot(role: Role, accuracy: float) -> Spot:
        return Spot(f"{role} {accuracy}", role, "s", None, "", Estimate(accuracy, None, None, 1, ""),
                    Estimate(1, None, None, 1, ""))  # fmt: skip

    plane = Plane("p", "p", (spot(Role.FAMILY, 0.9), spot(Role.FAMILY, 0.2), spot(Role.CUTOFF, 0.05)))
    assert below_view(plane) == []  # what was trained is always in view, and sets the range
    plane = replace(plane, spots=(spot(Role.FAMILY, 0.9), spot(Role.CUTOFF, 0.85), spot(Role.CUTOFF, 0.3)))
    assert [s.accuracy.value for s in below_view(plane)] == [0.3]
    # A failed run keeps less than half of the base's accuracy: it neither stands in the frame nor stretches it.
    spots = (spot(Role.BASE, 0.9), spot(Role.FAMILY, 0.95), spot(Role.BASELINE, 0.44), spot(Role.BASELINE, 0.46))
    assert [s.accuracy.value for s in below_view(replace(plane, spots=spots))] == [0.44]
    assert [s.accuracy.value for s in below_view(replace(plane, spots=(*spots, spot(Role.CUTOFF, 0.1))))] == [0.44, 0.1]
    accuracy, tokens = (SeedMean(sum(v) / 2, None, None, 2, "", seeds=v) for v in ((0.96, 0.44), (1.0, 1.0)))
    lost = replace(spot(Role.BASELINE, 0.7), accuracy=accuracy, tokens=tokens)
    assert below_view(replace(plane, spots=(*spots[:2], lost))) == [lost]  # a mean over a collapse is no trade-off


# --- bad input ----------------------------------------------------------------------------------------------------


def test_an_unknown_run_is_one_sentence(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no run folder .*did you mean 'alpha-0-seed-0'"):
        collect([runs["a0"].with_name("alpha-0-seed-9")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is no run folder"):
        collect([tmp_path / "empty"])


def test_a_half_finished_evaluation_says_how_much_is_missing(tmp_path: Path) -> None:
    _, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2)
    folder = run / "evaluation" / fake_runs.TASK
    (folder / "summary.json").unlink()
    lines = (folder / "responses.jsonl").read_text().splitlines(keepends=True)
    (folder / "responses.jsonl").write_text("".join(lines[:50]))
    (folder / "config.json").write_text(json.dumps({"kind": "evaluation", "config": {"size": 60, "k": 2}}))
    with pytest.raises(UserError, match=r"half-finished \(70 of 120 responses are missing\)"):
        collect([run])


@pytest.mark.slow
def test_another_protocol_is_refused_or_marked_and_never_averaged(tmp_path: Path) -> None:
    base = fake_runs.make_base(tmp_path)
    first = fake_runs.make_run(tmp_path, base, 0.2, seed=0, steps=2)
    second = fake_runs.make_run(tmp_path, base, 0.2, seed=1, steps=2)
    write_variant(second, fake_runs.TASK, fake_runs.make_records(0.2, 11), max_new_tokens=512)
    with pytest.raises(UserError, match="another max_new_tokens on arithmetic"):
        collect([first, second])
    found = collect([first, second], allow_mixed=True)
    marked = next(c for c in found.contenders if c.mark)
    assert marked.label == "α 0.2 ‡ max_new_tokens 512"
    assert [len(c.runs) for c in found.contenders if c.alpha == 0.2] == [1, 1]
    assert marked.entries[fake_runs.TASK].gain("token_saving") is None
    assert marked.label not in {s.label for s in standings(found)}
    assert marked.label not in {e.label for e in found.view().line}
    assert any(marked.label in s for s in warnings(found, standings(found)))
    plane = plane_of(found)
    assert marked.label in {spot.label for spot in plane.spots}  # shown, and compared with nothing
    ranks = plane.dominance()
    assert [spot.label for spot in plane.spots] == [rank.name for rank in ranks]
    assert not any(marked.label in rank.by or (rank.name == marked.label and rank.by) for rank in ranks)
    assert marked.label not in plane_sentence(plane)


def test_one_problem_has_no_interval_and_the_page_says_so(tmp_path: Path) -> None:
    _, (run,) = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2, problems=1)
    found = collect([run])
    spots = [s for s in plane_of(found).spots if s.role is not Role.CUTOFF]
    assert all(s.tokens.low is None and s.accuracy.low is None for s in spots)
    assert "arithmetic holds a single problem: nothing measured on it has an interval." in warnings(found, [])


def test_two_foreign_models_need_a_named_base(tmp_path: Path, runs: dict[str, Path]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / fake_runs.TASK).symlink_to(runs["base"] / "evaluation" / fake_runs.TASK)
    with pytest.raises(UserError, match="name it with --base"):
        collect([tmp_path / "one", tmp_path / "two"])
    found = collect([tmp_path / "one", tmp_path / "two"], base=tmp_path / "one")
    assert [c.role for c in found.contenders if c.role is not Role.CUTOFF] == [Role.BASE, Role.OTHER]


def test_the_command_line_refuses_in_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from tersely.cli import main

    assert main(["compare"]) == 2
    assert "nothing to compare" in capsys.readouterr().err
    assert main(["compare", "--published", "7b", str(tmp_path)]) == 2
    assert main(["compare", str(tmp_path), "--price", "-1"]) == 2
    assert "no price" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["7b", "1.5b"])
def test_the_first_screen_of_the_published_tables_holds_at_most_eight_rows_and_starts_from_alpha_0(
    scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    text = write_published(scale, tmp_path / "out").read_text(encoding="utf-8")
    table = text[text.index("<table>") : text.index("</table>")]
    assert 5 <= table.count('<th scope="row"') <= 8
    assert "as published: against α\u00a00, the same training without length pressure" in text
