"""Options of decoding as points of an evaluation: what is recorded, what pages draw, what is refused."""

from __future__ import annotations

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
from tersely.page.collect import collect
from tersely.page.records import Role
from tersely.samplers.decoding import Decoding
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.shipped import SHIPPED_BASE

CLOSE = " </think> \\boxed{"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded reasoner as it is, and under three options."""
    folder = tmp_path_factory.mktemp("points")
    shutil.copytree(SHIPPED_BASE, folder / "base")
    assert evaluate(folder, "--decoding", "budget:12", "--decoding", "brake:3:any", "--decoding", "nowait") == 0
    return folder


def evaluate(root: Path, *words: str) -> int:
    return main(["evaluate", str(root / "base"), "--size", "12", "--out", str(root / "evaluations"), *words])


def test_each_option_is_an_evaluation_of_its_own_beside_the_model_as_it_is(root: Path) -> None:
    there = sorted(path.name for path in (root / "evaluations/base").iterdir())
    assert there == ["arithmetic", "arithmetic@brake-3-any", "arithmetic@budget-12", "arithmetic@nowait"]
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
    prompted = {one.label for one in found.contenders if one.role is Role.PROMPTED}
    assert prompted == {"brake-3-any", "budget-12", "nowait"}
    assert sorted(read_run(root / "evaluations/base").evaluations) == ["arithmetic"]  # a report leaves them out


def test_what_was_done_while_decoding_is_part_of_the_protocol() -> None:
    asked = EvalProtocol("gsm8k", None, 1, 8, decoding=Decoding("budget:512", CLOSE))
    name = asked.name
    assert name.startswith("gsm8k@budget-512-")
    assert parse_name(name).variant == name.partition("@")[2]
    facts = asked.facts("boxed", "ab").decoded_by(Decoding("budget:512", CLOSE).fact)
    assert identity(facts)["decoding"] == f"budget:512 close={CLOSE!r}"
    assert name != EvalProtocol("gsm8k", None, 1, 8, decoding=Decoding("budget:512", " </think>")).name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--decoding", "budget:4", "--decoding", "budget:4"], "is asked for twice"),
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
    asked, tokenizer = Decoding("budget:4"), load_tokenizer(root / "base")
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
