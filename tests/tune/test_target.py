"""What is asked for, and what is refused in one sentence."""

from __future__ import annotations

import pytest

from tersely.errors import UserError
from tersely.tune.target import Target


@pytest.mark.parametrize(
    ("target", "name", "words"),
    [
        (Target(loss=0.01), "lose-at-most-1", "loses at most 1 point"),
        (Target(loss=0.005), "lose-at-most-0.5", "loses at most 0.5 points"),
        (Target(tokens=1500), "tokens-1500", "needs at most 1500 tokens on average"),
        (Target(tokens=1500, quantile=0.95), "tokens-1500-p95", "needs at most 1500 tokens in 95 % of its responses"),
        (Target(save=0.29), "save-29", "saves 29 % of the tokens"),
    ],
)
def test_a_target_has_a_name_and_words(target: Target, name: str, words: str) -> None:
    assert (target.name, target.words()) == (name, words)
    assert Target.from_json(target.to_json()) == target


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "one thing"),
        ({"loss": 0.01, "tokens": 30}, "one thing"),
        ({"loss": 0.0}, "no number of problems"),
        ({"loss": -0.01}, "no number of problems"),
        ({"loss": 1.0}, "below 100"),
        ({"tokens": 0}, "at least 1"),
        ({"tokens": float("nan")}, "at least 1"),
        ({"save": 1.0}, "below 100"),
        ({"loss": 0.01, "quantile": 0.95}, "leave it out"),
        ({"tokens": 30, "quantile": 1.5}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, float], why: str) -> None:
    with pytest.raises(UserError, match=why):
        Target(**given)


def test_a_saving_is_of_the_bases_tokens() -> None:
    assert Target(save=0.25).tokens_wanted(80) == 60
    assert Target(tokens=50).tokens_wanted(80) == 50
    assert Target(loss=0.01).tokens_wanted(80) is None
