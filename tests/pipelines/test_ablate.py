"""Ablations: every variant is a run that training accepts, and differs from its siblings in what it is named for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tersely.cli import build_parser, main
from tersely.commands.settings import training_config
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.pipelines.ablate import ABLATIONS
from tersely.pipelines.variants import RunPlan, chains


def plan(**changes: object) -> RunPlan:
    values = {
        "model": "base", "task": "arithmetic", "held_out": "arithmetic", "recipe": "tiny", "alpha": 0.1, "seed": 0,
        "size": 60, "k": 2, "settings": (), "out": Path("out"),
    }  # fmt: skip
    return RunPlan(**{**values, **changes})  # type: ignore[arg-type]


def configs(name: str, some: RunPlan) -> dict[str, TrainConfig]:
    found = {}
    for chain in chains(ABLATIONS[name].variants, some):
        for command in chain.commands:
            args = build_parser().parse_args(command.arguments)
            if args.verb == "train":
                found[Path(args.out).name] = training_config(args)
    return found


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("recipe", ["tiny", "paper-1.5b"])
def test_every_variant_is_a_run_that_training_accepts(name: str, recipe: str) -> None:
    found = configs(name, plan(recipe=recipe))
    assert list(found) == [variant.name for variant in ABLATIONS[name].variants]
    assert len({config.model_dump_json() for config in found.values()}) == len(found)


def test_group_size_changes_at_the_same_number_of_responses() -> None:
    sampling = [config.sampling for config in configs("n", plan()).values()]
    assert [s.n for s in sampling] == [4, 8, 16]
    assert {s.n * s.prompts for s in sampling} == {256}


def test_a_second_round_starts_from_the_first_and_one_long_round_is_as_long_as_both() -> None:
    found = configs("rounds", plan(settings=("run.steps=7",)))
    assert found["round-1"].model == "base"
    assert found["round-2"].model == str(Path("out/round-1"))
    assert found["one-long-round"].run.steps == found["round-1"].run.steps + found["round-2"].run.steps == 14
    first = chains(ABLATIONS["rounds"].variants, plan())[0]
    assert [c.title for c in first.commands].index("train round-1") < [c.title for c in first.commands].index(
        "train round-2"
    )


def test_responses_that_cannot_be_regrouped_are_refused() -> None:
    with pytest.raises(UserError, match="multiple of 2"):
        configs("n", plan(settings=("sampling.prompts=3", "learner.updates=1")))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ablate", "normalise"], "normalize"),
        (["ablate", "kl"], "--model"),
        (["ablate", "kl", "--model", "m", "--out", "o", "--jobs", "-1"], "--jobs is -1"),
        (["ablate", "kl", "--model", "m", "--out", "o", "--k", "0"], "--k is 0"),
        (["ablate", "kl", "--model", "m", "--out", "o", "--task", "x.jsonl"], "--held-out"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_population_check_needs_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "population"]) == 0
    assert "group" in capsys.readouterr().out


def test_runs_trained_with_a_verifier_are_measured_with_it() -> None:
    some = plan(settings=("verifier=rewards.code:passes",))
    commands = [c for chain in chains(ABLATIONS["n"].variants, some) for c in chain.commands]
    for command in [*commands, some.evaluate_base()]:
        args = build_parser().parse_args(command.arguments)
        config = training_config(args) if args.verb == "train" else args
        assert config.verifier == "rewards.code:passes"
