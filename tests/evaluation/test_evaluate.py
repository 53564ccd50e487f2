"""What an evaluation is called, what it asks, and what of it a reader sees."""

from __future__ import annotations

from pathlib import Path

import pytest

import fake_runs
import tiny_models
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.runs import read_run
from tersely.records import Kind, Problem
from tersely.tasks.instructions import parse_instruction, require_readable
from tersely.tasks.prompts import TEMPLATES, render

PROBLEM = Problem("0" * 16, "What is 12 + 30?", "42", Kind.MATH, "toy")


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "gsm8k"),
        ({"task": "data/held.out.jsonl"}, "held.out"),
        ({"task": "logical_deduction@abc"}, "logical_deduction-abc"),
        ({"suite": "paper"}, "paper.gsm8k"),
        ({"step": 10}, "gsm8k@step-000010"),
        ({"suite": "paper", "step": 10, "instruction": "limit:512"}, "paper.gsm8k@step-000010@limit-512"),
        ({"instruction": "concise"}, "gsm8k@concise"),
        ({"instruction": "tale:64"}, "gsm8k@tale-64"),
    ],
)
def test_an_evaluation_is_named_by_suite_task_and_variants(more: dict, name: str) -> None:
    assert EvalProtocol(**{"task": "gsm8k", "size": None, "k": 1, "max_new_tokens": 8, **more}).name == name


@pytest.mark.parametrize(
    "spec", ["limit", "limit:", "limit:0", "limit:-5", "limit:5.5", "concise:5", "brief", "limit:٣"]
)
def test_an_instruction_that_means_nothing_is_refused(spec: str) -> None:
    with pytest.raises(UserError):
        EvalProtocol(task="gsm8k", size=None, k=1, max_new_tokens=8, instruction=spec)


def test_the_identity_of_an_old_folder_has_no_later_fact() -> None:
    facts = EvalProtocol(task="gsm8k", size=None, k=1, max_new_tokens=8).facts("boxed", "ab")
    assert {"instruction", "suite", "step"} <= set(facts.to_json())
    assert not {"instruction", "suite", "step"} & set(identity(facts))
    asked = EvalProtocol(task="gsm8k", size=None, k=1, max_new_tokens=8, instruction="concise", step=0)
    assert identity(asked.facts("boxed", "ab"))["instruction"] == "concise"
    assert identity(asked.facts("boxed", "ab"))["step"] == 0


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t != "paper-raw"])
def test_an_instruction_follows_the_question_in_the_users_message(template: str) -> None:
    tokenizer = tiny_models.make_tokenizer()
    sentence = parse_instruction("limit:512").text
    plain = tokenizer.decode(render(PROBLEM, tokenizer, template))
    asked = tokenizer.decode(render(PROBLEM, tokenizer, template, sentence))
    assert asked.replace("\n" + sentence, "") == plain
    assert asked.index(PROBLEM.question) < asked.index(sentence)
    assert "512" in sentence


def test_the_embedded_reasoner_reads_no_instruction() -> None:
    from tersely.toy.tokenizer import build_tokenizer

    for spec in ("limit:512", "concise", "tale:64"):
        require_readable(parse_instruction(spec), tiny_models.make_tokenizer())
        with pytest.raises(UserError, match="not applicable"):
            require_readable(parse_instruction(spec), build_tokenizer())


def test_the_report_leaves_variants_out(tmp_path: Path) -> None:
    base = fake_runs.make_base(tmp_path)
    records = fake_runs.make_records(None, 0)
    fake_runs.write_evaluation(base, records, 2, f"{fake_runs.TASK}@limit-512")
    fake_runs.write_evaluation(base, records, 2, f"paper.{fake_runs.TASK}")
    assert sorted(read_run(base).evaluations) == [fake_runs.TASK, f"paper.{fake_runs.TASK}"]
