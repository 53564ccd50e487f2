"""Options of decoding as points of an evaluation: what is recorded, what pages draw, what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol, identity, parse_name
from tersely.evaluation.records import read_evaluation, read_responses
from tersely.evaluation.runs import read_run
from tersely.evaluation.terms import require_decoding
from tersely.models.load import load_model, load_tokenizer
from tersely.page.block import Options
from tersely.page.collect import collect
from tersely.page.message import make_message
from tersely.page.records import Role
from tersely.page.standings import standings
from tersely.samplers.decoding import Decoding
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.shipped import SHIPPED_BASE

CLOSE = " </think> \\boxed{"
ALPHA = "α 0.1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded reasoner as it is, and under three options."""
    folder = tmp_path_factory.mktemp("points")
    shutil.copytree(SHIPPED_BASE, folder / "base")
    assert evaluate(folder, "--decoding", "budget:12", "--decoding", "brake:any:3", "--decoding", "nowait") == 0
    return folder


def evaluate(root: Path, *words: str) -> int:
    return main(["evaluate", str(root / "base"), "--size", "12", "--out", str(root / "evaluations"), *words])


@pytest.mark.slow
def test_each_option_is_an_evaluation_of_its_own_beside_the_model_as_it_is(root: Path) -> None:
    there = sorted(path.name for path in (root / "evaluations/base").iterdir())
    assert there == ["arithmetic", "arithmetic@brake-any-3", "arithmetic@budget-12", "arithmetic@nowait"]
    assert read_evaluation(root / "evaluations/base/arithmetic@budget-12").protocol.decoding == "budget:12"
    assert "decoding" not in read_evaluation(root / "evaluations/base/arithmetic").protocol.to_json()


def test_behind_the_budget_stands_the_end_of_thinking(root: Path) -> None:
    # One token of the embedded task is one word.
    plain = {r.problem_id: r.text.split() for r in read_responses(root / "evaluations/base/arithmetic")}
    assert all(words.index("</think>") > 12 for words in plain.values())
    for record in read_responses(root / "evaluations/base/arithmetic@budget-12"):
        assert record.text.split().index("</think>") == 12
        assert record.text.split()[:12] == plain[record.problem_id][:12]


def test_a_page_draws_them_beside_the_model(root: Path) -> None:
    found = collect([root / "evaluations/base"], root / "evaluations/base")
    prompted = {one.label: one.series for one in found.contenders if one.role is Role.PROMPTED}
    assert prompted == {"brake-any-3": "brake-any", "budget-12": "budget", "nowait": "nowait"}
    message = make_message(found, Options(found=standings(found)))
    assert "than the same model as it is; " in message.headline  # nothing was trained
    assert "Training" not in " ".join(message.lead)
    assert sorted(read_run(root / "evaluations/base").evaluations) == ["arithmetic"]  # a report leaves them out


@pytest.mark.slow
def test_a_trained_member_under_a_budget_is_a_point_of_its_own(root: Path) -> None:
    small = ["--set", "sampling.prompts=4", "--set", "sampling.n=4", "--steps", "1"]
    assert main(["train", "tiny", "--model", str(root / "base"), *small, "--out", str(root / "run")]) == 0
    models = [str(root / "base"), str(root / "run")]
    asked = ["--decoding", "budget:12", "--size", "12", "--out", str(root / "both")]
    assert main(["evaluate", *models, *asked]) == 0
    plain = {r.problem_id: r.text.split() for r in read_responses(root / "run/evaluation/arithmetic")}
    for record in read_responses(root / "run/evaluation/arithmetic@budget-12"):
        assert record.text.split()[:13] == [*plain[record.problem_id][:12], "</think>"]
    found = collect([root / "run"], root / "both/base")
    series = {one.label: one.series for one in found.contenders if one.role is Role.PROMPTED}
    assert list(series.items()) == [("budget-12", "budget"), (f"{ALPHA} + budget-12", f"{ALPHA} + budget")]
    (member,) = [one for one in found.contenders if one.label.startswith(f"{ALPHA} +")]
    saved = member.entries["arithmetic"].gain("token_saving")
    assert saved is not None
    assert saved.value > 0  # paired with the base as it is


def test_what_was_done_while_decoding_is_part_of_the_protocol() -> None:
    asked = EvalProtocol("gsm8k", None, 1, 8, decoding=Decoding("budget:512", CLOSE))
    name = asked.name
    assert re.fullmatch("gsm8k@budget-[0-9a-f]{6}-512", name)
    assert parse_name(name).variant == name.partition("@")[2]
    facts = asked.facts("boxed", "ab").decoded_by(Decoding("budget:512", CLOSE).fact)
    assert identity(facts)["decoding"] == f"budget:512 close={CLOSE!r}"
    assert name != EvalProtocol("gsm8k", None, 1, 8, decoding=Decoding("budget:512", " </think>")).name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--decoding", "budget:4", "--decoding", "budget:04"], "budget:4 is asked for twice"),
        (["--decoding", "budjet:4"], "did you mean 'budget'"),
        (["--close", CLOSE], "add --decoding budget:N"),
        (["--decoding", "nowait", "--close", CLOSE], "add --decoding budget:N"),
        (["--decoding", "nowait:perhaps"], "none of the words"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sampled(
    root: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in root.rglob("*") if "evaluations" in path.parts)
    assert evaluate(root, *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert sorted(path for path in root.rglob("*") if "evaluations" in path.parts) == before


def test_an_engine_or_a_sampler_that_knows_nothing_of_it_is_refused(root: Path) -> None:
    asked = EvalProtocol("arithmetic", 4, 1, 32, decoding=Decoding("budget:4"))
    tokenizer = load_tokenizer(root / "base")
    with pytest.raises(UserError, match="the engine vllm does not know the decoding option budget:4"):
        require_decoding(asked, "vllm", root / "base", tokenizer, None)
    own = TransformersSampler(load_model(root / "base", torch.device("cpu"), torch.float32), tokenizer)
    with pytest.raises(UserError, match="a sampler of your own does not know"):
        require_decoding(asked, "transformers", root / "base", tokenizer, own)
    require_decoding(asked, "transformers", root / "base", tokenizer, None)


def test_a_server_decodes_by_itself(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--decoding", "budget:4", "--out", str(root / "s")]
    assert main(["evaluate", *asked]) == 2
    assert "--request thinking_token_budget=512" in " ".join(capsys.readouterr().err.split())
