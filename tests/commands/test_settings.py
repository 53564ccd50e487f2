"""The reference of settings is complete and current, and `tersely settings` prints it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.commands.list_settings import all_settings
from tersely.config import resolve
from tersely.learn.losses import LOSSES
from tersely.objective.advantage import ADVANTAGES, NORMALIZATIONS
from tersely.objective.methods import METHODS
from tersely.objective.schedule import SCHEDULES
from tersely.samplers.engines import ENGINES
from tersely.section import Section
from tersely.sections import TrainConfig
from tersely.tasks.prompts import TEMPLATES
from tersely.trackers import TRACKERS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import settings_docs  # noqa: E402

TABLES: dict[str, Collection[str]] = {
    "objective.method": METHODS,
    "objective.advantage": ADVANTAGES,
    "objective.normalize": NORMALIZATIONS,
    "objective.schedule": SCHEDULES,
    "sampling.engine": ["auto", *ENGINES],
    "learner.loss": LOSSES,
    "template": TEMPLATES,
    "run.report_to": ["none", *TRACKERS],
}


def test_the_page_of_the_settings_is_current() -> None:
    assert settings_docs.PAGE.read_text(encoding="utf-8") == settings_docs.page(), "run python scripts/settings_docs.py"


def test_every_setting_says_what_it_means() -> None:
    assert [setting.name for setting in all_settings() if len(setting.meaning) < 12] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_setting_that_names_a_member_of_a_table_lists_all_of_them(name: str) -> None:
    meaning = next(setting.meaning for setting in all_settings() if setting.name == name)
    assert [member for member in TABLES[name] if not re.search(rf"\b{re.escape(member)}\b", meaning)] == []


def test_what_the_reference_calls_a_default_is_one() -> None:
    config = resolve({"model": "m", "task": "t"})
    shown = {s.name: s.default for s in all_settings() if not s.name.startswith(("tuning.", "learner.lora."))}
    for name, default in shown.items():
        value: object = config
        for part in name.split("."):
            value = getattr(value, part)
        if default is not None and name != "objective.alpha":
            kept = list(value) if isinstance(value, tuple) else value
            assert default in (str(kept), str(kept).lower(), f"{value:g}" if isinstance(value, float) else "") or (
                float(default) == value
            )


def test_the_sections_of_the_configuration_are_all_there() -> None:
    sections = {name for name, info in TrainConfig.model_fields.items() if isinstance(info.default, Section)}
    assert {s.section.split(".")[0] for s in all_settings()} == sections | {"", "tuning"}


def test_printed_alone_a_setting_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "kl_in"]) == 0
    expected = (
        "learner.kl_in = reward  (reward | loss)\n    Where the KL term stands: k1 in the reward, or k3 in the loss.\n"
    )
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("lr", "learner.learning_rate"),
        ("LEARNING", "learner.learning_rate"),
        ("run.", "run.steps"),
        ("Dr. GRPO", "learner.averaging"),
        ("", "tuning.dpo_beta"),
    ],
)
def test_a_pattern_finds_names_other_trainers_names_and_meanings(
    pattern: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", pattern]) == 0
    assert f"{found} = " in capsys.readouterr().out


def test_an_unknown_pattern_is_answered_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "lerning_rate"]) == 2
    meant = "no setting is called like 'lerning_rate' (did you mean 'learning_rate'?)"
    assert capsys.readouterr().err == f"tersely: {meant}: `tersely settings` lists all\n"
