"""What a checkpoint was trained for: the bytes on disk stay, a damaged file is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.models.trained_for import TRAINED_FOR, TrainedFor, read_trained_for, write_trained_for
from tersely.runs.checks import check_of, split_check

WORDS = st.none() | st.text(min_size=1)


@pytest.mark.parametrize(
    ("facts", "content"),
    [
        # As the training loop, the baselines and the embedded reasoner wrote their dictionaries before.
        (
            TrainedFor(template="boxed", max_new_tokens=32000, objective={"alpha": 0.1}, base="org/model"),
            {"template": "boxed", "max_new_tokens": 32000, "objective": {"alpha": 0.1}, "base": "org/model"},
        ),
        (
            TrainedFor("sft", "plain", 64, base="base"),
            {"method": "sft", "template": "plain", "max_new_tokens": 64, "base": "base"},
        ),
        (TrainedFor(template="toy", max_new_tokens=160), {"template": "toy", "max_new_tokens": 160}),
        (
            TrainedFor(template="toy", tune={"member": "step-000005", "step": 5, "alpha": 0.025}),
            {"template": "toy", "tune": {"member": "step-000005", "step": 5, "alpha": 0.025}},
        ),
    ],
)
def test_the_file_is_what_it_was(tmp_path: Path, facts: TrainedFor, content: object) -> None:
    write_trained_for(tmp_path, facts)
    text, check = (tmp_path / TRAINED_FOR).read_bytes(), check_of(json.dumps(content, indent=1).encode())
    assert split_check(text) == (json.dumps(content, indent=1).encode(), check)
    assert read_trained_for(tmp_path) == facts


@given(WORDS, WORDS, st.none() | st.integers(1), st.none() | st.dictionaries(st.text(), st.floats(0, 1)), WORDS)
def test_what_is_written_is_read(
    method: str | None, template: str | None, cap: int | None, objective: dict[str, float] | None, base: str | None
) -> None:
    facts = TrainedFor(method, template, cap, objective, base)
    assert TrainedFor.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_a_changed_digit_is_seen(tmp_path: Path) -> None:
    write_trained_for(tmp_path, TrainedFor(template="toy", max_new_tokens=160))
    path = tmp_path / TRAINED_FOR
    path.write_text(path.read_text().replace("160", "180"))
    with pytest.raises(UserError, match=r"damaged .its check does not fit.*use another checkpoint"):
        read_trained_for(tmp_path)


def test_other_peoples_models_say_nothing(tmp_path: Path) -> None:
    assert read_trained_for(tmp_path) == TrainedFor()


def test_keys_of_later_versions_are_passed_over() -> None:
    assert TrainedFor.from_json({"template": "boxed", "mood": "good"}) == TrainedFor(template="boxed")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"boxed"', '{"template": 3}', '{"max_new_tokens": "8"}', '{"max_new_tokens": true}', "[" * 9999]
    + [f'{{"max_new_tokens": {cap}}}' for cap in (0, -3, 2.5)],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / TRAINED_FOR).write_text(text)
    with pytest.raises(UserError, match="damaged") as refused:
        read_trained_for(tmp_path)
    assert "\n" not in str(refused.value)
