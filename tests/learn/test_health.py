"""Health rules: what each sees, when a run ends for one, what stands then, and how it goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tersely.cli import main
from tersely.config import TrainConfig, resolve, set_key
from tersely.errors import HealthError, RunError, StorageError, UserError
from tersely.journal import StepEvent, StepRecord
from tersely.learn import health
from tersely.learn.health import HEALTH, Rule, Steps, find_rule
from tersely.learn.health.asked import Asked, asked, warned
from tersely.learn.health.stopped import STOPPED, HealthStop
from tersely.learn.health.watch import Watch, read_steps
from tersely.models.digest import weights_digest
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

ROOT = Path(__file__).parents[2]


def late(steps: Steps, threshold: float) -> str | None:
    """A toy."""
    return f"it is step {steps[-1].step} already" if steps[-1].step > threshold else None


LATE = Rule(late, usual=3.0, stops=True, cure="come earlier")
OWN = f"{__name__}:LATE"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("health")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


CALM = StepRecord(
    step=1, event=StepEvent.STEP, problems=32, responses=256, accuracy=0.9, reward=0.85, length=100.0,
    length_correct=90.0, length_wrong=150.0, truncated=0.01, no_answer=0.01, unjudged=0.0, groups_all_correct=0.5,
    groups_all_wrong=0.0, groups_dropped=0.0, kl=0.01, entropy=0.08, clip_fraction=0.0, grad_norm=0.02, loss=0.0,
    logprob_gap_mean=1e-6, logprob_gap_max=1e-5, logprob_gap_kl=1e-9, learning_rate=1e-3, response_tokens=25600,
    endless=0.01,
)  # fmt: skip


def run_of(*changes: dict[str, Any], calm: int = 10) -> list[StepRecord]:
    """``calm`` steps, then one for each of ``changes``."""
    steps = [CALM] * calm + [replace(CALM, **change) for change in changes]
    return [replace(step, step=i) for i, step in enumerate(steps, start=1)]


# ---- what a rule sees


@pytest.mark.parametrize(
    ("name", "just_within", "beyond", "words"),
    [
        ("length_collapse", {"length": 5.0, "accuracy": 0.4}, {"length": 4.9, "accuracy": 0.4}, "5 tokens, after 100"),
        ("accuracy_floor", {"accuracy": 0.225}, {"accuracy": 0.22}, "22.0% of the answers were right, after 90.0%"),
        ("kl", {"kl": 1.0}, {"kl": 1.01}, "1.01 nats a token off the base"),
        ("entropy_fall", {"entropy": 0.0004}, {"entropy": 0.00039}, "0.00039 nats a token, after 0.08"),
        ("entropy_rise", {"entropy": 0.4}, {"entropy": 0.41}, "0.41 nats a token, after 0.08"),
        ("truncation", {"truncated": 0.5}, {"truncated": 0.75}, "75% of the responses hit the cap"),
        ("repetition", {"endless": 0.3}, {"endless": 0.4}, "40% of the responses ran in circles"),
        ("sampler_mismatch", {"logprob_gap_mean": 0.05}, {"logprob_gap_mean": 0.2}, "0.200 nats"),
    ],
)
def test_a_rule_fires_beyond_its_usual_threshold_and_not_at_it(
    name: str, just_within: dict[str, Any], beyond: dict[str, Any], words: str
) -> None:
    rule = HEALTH[name]
    assert rule.sees(run_of(), rule.usual) is None
    assert rule.sees(run_of(just_within), rule.usual) is None
    seen = rule.sees(run_of(beyond), rule.usual)
    assert seen is not None
    assert words in seen


def test_unjudged_answers_count_over_ten_steps() -> None:
    rule = HEALTH["unjudged"]
    assert rule.sees(run_of({"unjudged": 0.04}), rule.usual) is None  # .04 / 10 < .01
    assert rule.sees(run_of(*[{"unjudged": 0.04}] * 2, calm=3), rule.usual) is None  # not ten steps yet
    seen = rule.sees(run_of(*[{"unjudged": 0.04}] * 3), rule.usual)
    assert seen == "1.2% of the answers of 10 steps could not be judged"


@pytest.mark.parametrize("name", list(HEALTH))
def test_a_rule_says_nothing_of_what_was_not_measured(name: str) -> None:
    nothing = dict.fromkeys(("accuracy", "length", "kl", "entropy", "endless", "logprob_gap_mean"))
    steps = run_of(*[nothing] * 3)
    assert HEALTH[name].sees(steps, HEALTH[name].usual) is None
    everywhere = [replace(step, **nothing) for step in steps]
    assert HEALTH[name].sees(everywhere, HEALTH[name].usual) is None


def test_short_and_right_is_no_collapse_and_neither_are_the_first_steps() -> None:
    short = {"length": 2.0}
    rule = HEALTH["length_collapse"]
    assert rule.sees(run_of(short), rule.usual) is None
    assert rule.sees(run_of({**short, "accuracy": 0.85}), rule.usual) is None  # within what other problems explain
    assert rule.sees(run_of({**short, "accuracy": 0.1}), rule.usual) is not None
    assert rule.sees(run_of({**short, "accuracy": 0.1}, calm=4), rule.usual) is None


def test_few_problems_that_happen_to_be_hard_are_no_loss_of_accuracy() -> None:
    # One in ten right of 4 problems a step: standard errors sqrt(.1 * .9 / 20) = .067; a fall to 0 is 1.5 of them.
    weak = [replace(step, problems=4, accuracy=0.1) for step in run_of()]
    step = replace(weak[-1], accuracy=0.0)
    assert HEALTH["accuracy_floor"].sees([*weak, step], 0.25) is None
    many = [replace(s, problems=400) for s in [*weak, step]]  # sqrt(.1 * .9 / 2000) = .0067: 15 of them
    assert HEALTH["accuracy_floor"].sees(many, 0.25) is not None


SOUND = {
    "length": 0.295, "accuracy": 0.88, "entropy": 0.043, "kl": 0.18, "truncated": 0.016, "logprob_gap_mean": 4.1e-8,
}  # fmt: skip
"""The farthest that twelve runs of the embedded reasoner went (alpha 0 to .4, three seeds): shares of the first five
steps of length, accuracy and entropy, the rest as it is (docs/health.md)."""


@pytest.mark.parametrize("name", list(HEALTH))
def test_no_usual_threshold_is_near_what_sound_runs_show(name: str) -> None:
    first = {"length": 100.0, "accuracy": 0.9, "entropy": 0.08}
    farthest = {key: value * first.get(key, 1.0) for key, value in SOUND.items()}
    assert HEALTH[name].sees(run_of(*[farthest] * 50), HEALTH[name].usual) is None
    twice = {k: v / 2 if k in ("length", "accuracy", "entropy") else 2 * v for k, v in farthest.items()}
    assert HEALTH[name].sees(run_of(*[twice] * 50), HEALTH[name].usual) is None


# ---- what is asked of them


def test_by_default_two_rules_stop_and_the_others_warn() -> None:
    assert [a.name for a in asked({}) if a.stops] == ["length_collapse", "accuracy_floor"]
    assert [a.name for a in asked({})] == list(HEALTH)
    assert [a.threshold for a in asked({})] == [rule.usual for rule in HEALTH.values()]


def test_a_number_stops_and_words_choose_at_the_usual_threshold() -> None:
    given = {"kl": 0.5, "truncation": "stop", "accuracy_floor": "warn", "entropy_fall": "off"}
    found = {a.name: (a.threshold, a.stops) for a in asked(given)}
    assert found["kl"] == (0.5, True)
    assert found["truncation"] == (0.5, True)
    assert found["accuracy_floor"] == (0.25, False)
    assert "entropy_fall" not in found


def test_a_steered_run_is_stopped_by_what_was_asked_for_alone() -> None:
    assert not any(a.stops for a in asked(warned({})))
    assert [a.name for a in asked(warned({"accuracy_floor": 0.5})) if a.stops] == ["accuracy_floor"]


def test_one_line_in_the_table_gives_a_name_and_a_users_own_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    set_key(given, f"health.{OWN}=5")
    assert {a.name: (a.threshold, a.stops) for a in asked(given["health"])}[OWN] == (5.0, True)
    monkeypatch.setattr(health, "HEALTH", MappingProxyType({**HEALTH, "late": LATE}))
    assert find_rule("late") is LATE
    assert asked({})[-1] == Asked("late", LATE, 3.0, stops=True)


NO_RULE = "late"


def takes_nothing() -> None: ...


WRONG = Rule(takes_nothing, 1.0, stops=True, cure="none")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"acuracy_floor": 0.5}, "unknown health rule 'acuracy_floor' .did you mean 'accuracy_floor'"),
        ({"kl": "of"}, r"health.kl = 'of' is neither a number nor off, warn or stop \(did you mean 'off'"),
        ({"kl": True}, "health.kl = True is neither"),
        ({"kl": [1, 2]}, "neither a number"),
        ({"kl": -1}, "health.kl = -1 can be no threshold: it must lie above 0 .usual: 1"),
        ({"kl": math.nan}, "can be no threshold"),
        ({"truncation": 1.5}, "must lie above 0 and below 1 .usual: 0.5"),
        ({f"{__name__}:gone": 1}, "cannot be imported"),
        ({f"{__name__}:NO_RULE": 1}, "must be a tersely.learn.health.Rule, and it is none"),
        ({f"{__name__}:WRONG": 1}, r"must take \(steps, threshold\), and it does not"),
    ],
)
def test_what_is_no_rule_or_threshold_is_refused_and_nothing_is_written(
    given: dict[str, Any], said: str, root: Path, tmp_path: Path
) -> None:
    config = settings(root).model_copy(update={"health": given})
    with pytest.raises(UserError, match=said):
        train_for_odd_texts(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---- in a run


def config_of(steps: int = 8) -> TrainConfig:
    return resolve({"model": "m", "task": "t", "run": {"steps": steps}})


def watched(steps: Sequence[StepRecord], *rules: Asked, run: Path | None = None) -> list[list[str]]:
    """What is said at each step."""
    watch = Watch(config_of(), rules, run)
    return [watch.see(step) for step in steps]


def test_a_warning_is_said_at_the_first_step_and_again_after_ten() -> None:
    steps = run_of(*[{"truncated": 0.75}] * 12, calm=2)
    said = watched(steps, Asked("truncation", HEALTH["truncation"], 0.5, stops=False))
    assert [i for i, sentences in enumerate(said, start=1) if sentences] == [3, 13]
    assert said[2] == [
        "step 3: 75% of the responses hit the cap and earn nothing (health.truncation, threshold 0.5): raise "
        "sampling.max_new_tokens"
    ]


def test_steps_before_a_resume_count_and_checkpoints_wait() -> None:
    rule = Asked("late", LATE, 3.0, stops=True)
    steps = run_of(calm=8)
    watch = Watch(config_of(), [rule], None, steps[:3])
    assert not watch.holds_back
    assert "after 3 such steps in a row the run ends" in watch.see(steps[3])[0]
    assert watch.holds_back
    again = Watch(config_of(), [rule], None, steps[:5])
    with pytest.raises(HealthError, match=r"ended the run at step 6 .3 such steps in a row.: it is step 6 already"):
        again.see(steps[5])


def test_steps_without_one_right_answer_end_a_run_as_before() -> None:
    steps = run_of(*[{"accuracy": 0.0, "reward": 0.0}] * 3)
    watch = Watch(config_of(20), asked({}), None, steps[:-1])
    with pytest.raises(RunError, match="not one answer was right in 3 steps in a row") as caught:
        watch.see(steps[-1])
    assert caught.value.exit_code == 3


def stopping(root: Path, **more: Any) -> TrainConfig:
    """Ended by ``LATE`` after step 6, its checkpoint of step 3 being the last from before."""
    return settings(root, run={"steps": 8, "checkpoint_every": 1}, health={OWN: 3}, **more)


@pytest.mark.slow
def test_a_stop_keeps_the_last_good_checkpoint_and_the_same_command_says_why(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(
        HealthError, match=r"step-000003 is the last from before: come earlier, or go on .*=off"
    ) as first:
        train_for_odd_texts(stopping(root), out)
    assert first.value.exit_code == 5
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["step-000002", "step-000003"]
    assert len(read_log(out / "journal.jsonl")) == 6
    assert not (out / "done.json").exists()
    with pytest.raises(HealthError, match=r"nothing was done, for health rule .* step-000003 is the last from before"):
        train_for_odd_texts(stopping(root), out)
    assert len(read_log(out / "journal.jsonl")) == 6


@pytest.mark.slow
def test_going_on_regardless_ends_with_the_bits_of_a_run_that_was_never_stopped(root: Path, tmp_path: Path) -> None:
    out, free = tmp_path / "run", tmp_path / "free"
    with pytest.raises(HealthError):
        train_for_odd_texts(stopping(root), out)
    train_for_odd_texts(stopping(root).model_copy(update={"health": {OWN: "warn"}}), out)
    train_for_odd_texts(stopping(root).model_copy(update={"health": {}}), free)
    assert not (out / STOPPED).exists()
    assert read_log(out / "journal.jsonl") == read_log(free / "journal.jsonl")
    assert weights_digest(out / "checkpoints/step-000008") == weights_digest(free / "checkpoints/step-000008")
    assert "health" not in read_config(free)


@pytest.mark.slow
def test_without_a_good_checkpoint_that_is_said(root: Path, tmp_path: Path) -> None:
    config = settings(root, run={"steps": 8, "checkpoint_every": 1}, health={OWN: 0.5})
    with pytest.raises(HealthError, match="no checkpoint is from before"):
        train_for_odd_texts(config, tmp_path / "run")
    assert not any((tmp_path / "run/checkpoints").glob("step-*"))


@pytest.mark.slow
def test_a_damaged_reason_is_one_sentence(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(HealthError):
        train_for_odd_texts(stopping(root), out)
    kept = (out / STOPPED).read_text()
    for broken in (kept.replace('"step": 6', '"step": 7'), kept[:-20], "[]\n"):
        (out / STOPPED).write_text(broken)
        with pytest.raises(StorageError, match=r"stopped.json cannot be read as the reason why the run was ended"):
            train_for_odd_texts(stopping(root), out)


def test_a_reason_survives_its_file() -> None:
    for good in (None, 3):
        stop = HealthStop("kl", 12, 0.5, "seen", "cure", 3, good)
        assert HealthStop.from_json(stop.to_json()) == stop


@pytest.mark.parametrize("line", ['{"step": 1}', '{"accuracy": "x"}'])
def test_a_journal_that_holds_no_steps_is_one_sentence(line: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(StorageError, match=r"journal.jsonl, line 1: not a training step"):
        read_steps(tmp_path)


def test_the_command_ends_with_5_and_says_the_way_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--out", str(tmp_path / "r")]
    given = ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.threads=1", "run.all_wrong_stop=0")
    for setting in (*given, "health.truncation=0.01"):
        words += ["--set", setting]
    for _ in range(2):
        assert main(words) == 5
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith("tersely: ")
        assert "--set health.truncation=off" in said
        assert "Traceback" not in said


# ---- what the page says


def test_the_page_has_every_rule_with_its_threshold() -> None:
    page = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d.]+) \| (stops|warns) \|", page, re.MULTILINE)
    assert told == [(n, f"{r.usual:g}", "stops" if r.stops else "warns") for n, r in HEALTH.items()]
