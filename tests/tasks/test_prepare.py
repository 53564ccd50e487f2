"""Prepared training problems: each rule on small rows made for it, the draw, the files, and real sets."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tersely.cli import main
from tersely.records import Kind, Problem, content_id
from tersely.tasks.prepare.dedup import COMMON, GRAM, EvaluationIndex, covered, exact, near_duplicates, words
from tersely.tasks.prepare.filters import Reason, has_parts, is_number, is_proof, lacks_figure
from tersely.tasks.prepare.select import draw, quotas, select
from tersely.tasks.prepare.settings import Balance, OverlapRule, Settings
from tersely.tasks.sources.files import read_task_file

DATA = Path(os.environ.get("TERSELY_DATA", Path(__file__).parents[3] / "shared" / "data"))


def made(question: str, answer: str = "1", source: str = "s", kind: Kind = Kind.MATH) -> Problem:
    return Problem(content_id(question, answer), question, answer, kind, source)


def reasons(*problems: Problem, evaluation: tuple[Problem, ...] = (), **settings: Any) -> list[Reason | None]:
    """The reason for which each problem was dropped, None for those kept. A last good problem keeps the draw alive."""
    anchor = made("Which number comes after eleven in plain counting?", "12")
    selection = select([*problems, anchor], evaluation, Settings(**settings))
    found = {id(item.problem): item.reason for item in selection.dropped}
    return [found.get(id(problem)) for problem in problems]


# ---- text and gold


@pytest.mark.parametrize(
    ("question", "numeric", "expected"),
    [
        ("Prove that there are infinitely many primes.", False, True),
        ("Show, by induction, that $n^3-n$ is divisible by 6.", False, True),
        ("Prove that $7$ divides $n$.", True, True),  # a number was boxed, but nothing is asked for
        ("Prove that the sequence converges and find its limit.", True, False),
        ("Prove that the sequence converges and find its limit.", False, True),
        ("What does it cost to show a film?", False, False),
        ("The tape will show the time. How long is it?", True, False),
    ],
)
def test_proofs(question: str, numeric: bool, expected: bool) -> None:
    assert is_proof(question, numeric) is expected


@pytest.mark.parametrize(
    "question",
    [
        "Let $f(x)=x^2$. (1) Find $f(2)$; (2) Find $f(3)$.",
        "$(1)$ Find the value of $p$; $(2)$ If $x=2$, find $q$.",
        "(Ⅰ) When $a=0$, find the tangent; (Ⅱ) When $a=1$, find the extreme values.",
        "A bag holds four balls. (I) Find the probability of two. (II) Compute the mean.",
        "a) How many ways are there on a bench? b) How many are there around a table?",
        "\\textbf{(a)} Determine $x$. \\textbf{(b)} Determine $y$.",
        "Consider a line.\n1. Find its slope.\n2. Find its intercept.",
        "(i) What is $x$? (ii) What is $y$? (iii) Explain.",
        "How many apples are there? How many pears are there?",
    ],
)
def test_questions_of_several_parts(question: str) -> None:
    assert has_parts(question)


@pytest.mark.parametrize(
    "question",
    [
        "Find the largest $n$ such that (i) $n^2$ is odd; (ii) $2n + 79$ is a perfect square.",
        "The graph has the properties: (1) its maximum is 5; (2) it passes through $(0,1)$. What is $m$?",
        "What is it? (A) Find (B) How many? (C) What is (D) 7",
        "Compute $f(1) + f(2)$, where $f(1)=2$. What is $f(a) + f(b)$?",
        "He has two options.\n1. A loan on what he owes.\n2. A loan at 12%.\nFind the difference.",
        "Have you seen it? What is $1+1$?",
    ],
)
def test_conditions_choices_and_arguments_are_no_parts(question: str) -> None:
    assert not has_parts(question)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("In the diagram, $ABCD$ is a square.", True),
        ("A hexagon is divided into rhombuses as shown. Find $K$.", True),
        ("See ![](https://example.org/a.png) for the area.", True),
        ("The graph of $f$ is shown below. What is $f(2)$?", True),
        ("In the diagram, $ABCD$ is a square. [asy]draw((0,0)--(1,0));[/asy]", False),
        ("The first rows are shown below. \\begin{array}{c}1\\end{array}", False),
        ("A figure is created by joining the points. What is its area?", False),
        ("A line cuts this figure into two congruent polygons.", False),
        ("Numbers shown on the top faces are added.", False),
    ],
)
def test_figures_that_are_not_there(question: str, expected: bool) -> None:
    assert lacks_figure(question) is expected


@pytest.mark.parametrize(
    "gold",
    ["5", "-3.25", "1,234", r"\frac{3}{7}", r"2\sqrt{3}", r"\pi", "50\\%", r"90^\circ", r"382\text{ dollars}", "2^{10}",
     "3!"],
)  # fmt: skip
def test_numbers(gold: str) -> None:
    assert is_number(gold)


@pytest.mark.parametrize(
    "gold",
    ["x+1", "(1,2)", "1,2", "[0,1]", "1+i", r"\text{(A)}", "x=2", r"-\frac{16\sqrt{481}}", "",
     r"\infty", "1/0", "3:4", r"\text{Evelyn}"],
)  # fmt: skip
def test_what_is_no_number(gold: str) -> None:
    assert not is_number(gold)


def test_each_reason_is_given_and_the_first_that_holds_counts() -> None:
    evaluation = made("What is the least prime factor of the number ninety one?", "7")
    assert reasons(
        made("Prove that it is so.", "x"),
        made("(1) Find $a$; (2) Find $b$.", "x+1"),
        made("Find the area of the square in the figure.", "4"),
        made("Factor the polynomial that was given above.", "x+1"),
        made(evaluation.question.upper(), "7"),
        made("What is the sum of one and four?", "5"),
        evaluation=(evaluation,),
    ) == [Reason.PROOF, Reason.PARTS, Reason.FIGURE, Reason.NOT_NUMERIC, Reason.OVERLAP, None]


def test_without_numeric_only_formulas_stay() -> None:
    assert reasons(made("Factor it.", "x+1"), numeric_only=False) == [None]


def test_choices_are_not_read_as_exercises() -> None:
    assert reasons(made("What did they prove, as shown?\n(A) a\n(B) b", "B", kind=Kind.CHOICE)) == [None]


def test_golds_that_the_checker_refuses_are_dropped_with_its_words() -> None:
    def check(golds: Any) -> list[str | None]:
        return ["is cursed" if gold == "13" else None for gold, _ in golds]

    selection = select([made("Thirteen?", "13"), made("One?")], (), Settings(), check)
    assert [(item.reason, item.detail) for item in selection.dropped] == [(Reason.UNREADABLE, "is cursed")]


# ---- duplicates


def test_the_first_of_equal_questions_stays() -> None:
    assert reasons(
        made("What is $\\frac{1}{2} + 1{,}000$?", "1000.5"),
        made("what is  \\(\\dfrac{1}{2}+1{,}000\\) ?", r"\frac{2001}{2}"),
        made("What is $\\frac{1}{2} - 1{,}000$?", "-999.5"),
    ) == [None, Reason.DUPLICATE, None]


def test_equal_questions_with_different_golds_are_all_dropped() -> None:
    one, two, three = (made("How far is it?", answer) for answer in ("3", "3.0", "4"))
    assert reasons(one, two, three) == [Reason.CONFLICT] * 3


def test_signs_and_brackets_tell_questions_apart() -> None:
    assert exact("$88 / (4 / 2)$") != exact("$88 / 4 / 2$")
    assert exact("$|x|$") != exact("$x$")
    assert reasons(made("What is $88 / (4 / 2)$?", "44"), made("What is $88 / 4 / 2$?", "11")) == [None, None]


def test_the_same_words_and_gold_are_one_problem_however_typed() -> None:
    typed = made("Let $S^{}_{}$ be the set of all the roots. Find $n$.", "240")
    assert reasons(made("Let $S$ be the set of all the roots. Find $n$.", "240"), typed) == [None, Reason.DUPLICATE]


# ---- overlap


def sentence(prefix: str, count: int) -> str:
    """``count`` different made-up words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join(f"{prefix}{letters[i // 26]}{letters[i % 26]}" for i in range(count))


def rule(text: str, *evaluation: str, others: tuple[str, ...] = ()) -> str | None:
    index = EvaluationIndex(evaluation)
    index.count([words(t) for t in (text, *others)])
    found = index.find(words(text))
    return found and found.rule


def test_a_shared_13_gram_is_an_overlap_and_12_words_are_none() -> None:
    shared = sentence("q", GRAM)
    evaluation = f"{sentence('e', 60)} {shared}"
    assert rule(f"{shared} {sentence('t', 60)}", evaluation) == "13-gram"
    assert rule(f"{shared.rsplit(' ', 1)[0]} {sentence('t', 60)}", evaluation) is None


def test_a_13_gram_of_more_than_ten_problems_is_a_template() -> None:
    template = sentence("q", GRAM)
    text, evaluation = f"{template} {sentence('t', 30)}", f"{template} {sentence('e', 30)}"
    others = tuple(f"{template} other{sentence(chr(97 + i), 1)}" for i in range(COMMON))
    # In the text, in the evaluation problem and in 8 others: 10 problems, still a find; in one more it is a template.
    assert rule(text, evaluation, others=others[: COMMON - 2]) == "13-gram"
    assert rule(text, evaluation, others=others[: COMMON - 1]) is None


def test_templates_that_cover_half_of_the_shorter_text_overlap_all_the_same() -> None:
    template = sentence("q", 20)
    text, evaluation = f"{template} {sentence('t', 20)}", f"{template} {sentence('e', 40)}"
    others = tuple(f"{template} {sentence(chr(97 + i), 9)}" for i in range(COMMON))
    assert rule(text, evaluation, others=others) == "cover"
    assert rule(f"{text} more", evaluation, others=others) is None  # 20 of 41 words


def test_a_short_evaluation_text_counts_whole_from_eight_words_on() -> None:
    assert rule(f"{sentence('t', 9)} {sentence('e', 8)} {sentence('u', 9)}", sentence("e", 8)) == "short text"
    assert rule(f"{sentence('t', 9)} {sentence('e', 7)} {sentence('u', 9)}", sentence("e", 7)) is None
    assert rule(sentence("e", 3).upper(), sentence("e", 3)) == "equal"


def test_drawings_and_the_form_of_the_answer_are_not_compared() -> None:
    form = "where $m$ and $n$ are relatively prime positive integers. Find $m+n$."
    assert words(f"The ratio is $m/n$, {form}") == words("The ratio is $m/n$,")
    assert words("It is $m/n$, where $m$ and $n$ are coprime integers, find $m+n$. [asy]draw[/asy]") == words(
        "It is $m/n$"
    )
    root = "Let $f$ be such, where $b$ is an integer, have ten roots. It also has another. What is it?"
    assert "roots" in words(root)
    assert words("Area? [asy]draw((0,0)--(1,1));[/asy]") == ("area",)


def test_equal_words_alone_can_be_asked_for() -> None:
    template = sentence("q", 40)
    evaluation = made(f"{template} first?")
    changed, same = made(f"{template} second?"), made(f"{template} FIRST?")
    assert reasons(changed, same, evaluation=(evaluation,), overlap=OverlapRule.EQUAL) == [None, Reason.OVERLAP]
    assert reasons(changed, evaluation=(evaluation,)) == [Reason.OVERLAP]


def test_covered_counts_words_once() -> None:
    # 13-grams at 0 and 5 are words 0..17; the one at 40 adds 13.
    assert covered([0, 5]) == 18
    assert covered([0, 5, 40]) == 31


def test_near_duplicates_are_pairs_whose_shared_grams_cover_most_of_the_shorter() -> None:
    base = sentence("q", 40)
    texts = [words(t) for t in (f"{base} a", f"{base} b", f"{sentence('q', 20)} {sentence('t', 30)}")]
    ((i, j, cover),) = near_duplicates(texts)
    assert (i, j) == (0, 1)
    assert cover == pytest.approx(40 / 41)


# ---- draw


@pytest.mark.parametrize(
    ("available", "size", "balance", "expected"),
    [
        ({"a": 100, "b": 100, "c": 100}, 30, "equal", {"a": 10, "b": 10, "c": 10}),
        ({"a": 2, "b": 100, "c": 100}, 30, "equal", {"a": 2, "b": 14, "c": 14}),
        ({"a": 2, "b": 3, "c": 4}, 9, "equal", {"a": 2, "b": 3, "c": 4}),
        ({"a": 2, "b": 2, "c": 2}, 5, "equal", {"a": 1, "b": 2, "c": 2}),
        ({"a": 10, "b": 30, "c": 60}, 10, "proportional", {"a": 1, "b": 3, "c": 6}),
        # 10/3 each is 3 and a third: the one left over goes to the first by name.
        ({"a": 5, "b": 5, "c": 5}, 10, "proportional", {"a": 4, "b": 3, "c": 3}),
    ],
)
def test_quotas(available: dict[str, int], size: int, balance: str, expected: dict[str, int]) -> None:
    assert quotas(available, Settings(size, balance=Balance(balance))) == expected


@pytest.mark.parametrize("balance", Balance)
def test_quotas_add_up_and_never_exceed_what_is_there(balance: Balance) -> None:
    rng = random.Random(5)
    for _ in range(300):
        available = {str(i): rng.randrange(1, 40) for i in range(rng.randrange(1, 9))}
        size = rng.randrange(1, sum(available.values()) + 1)
        found = quotas(available, Settings(size, balance=balance))
        assert sum(found.values()) == size
        assert all(0 <= found[name] <= count for name, count in available.items())


def test_the_draw_depends_on_the_seed_and_not_on_the_order_given() -> None:
    problems = [made(f"What is {i} plus {i}?", str(2 * i), f"s{i % 3}") for i in range(90)]
    shuffled = problems[::-1]
    first = draw(problems, Settings(30))
    assert first == draw(shuffled, Settings(30))
    assert first != draw(problems, Settings(30, seed=1))
    assert len({problem.id for problem in first}) == 30


# ---- the command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [{"problem": f"What is {i} plus {i} in total?", "answer": 2 * i, "source": f"s{i % 2}"} for i in range(20)]
    rows.append({"problem": "Prove that two is even.", "answer": "x", "source": "s0"})
    rows.append({"problem": "What is the colour of the third bird on the left?", "answer": 3, "source": "s1"})
    (tmp_path / "raw.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    held = {"question": "What is the colour of the third bird on the left?", "answer": "3"}
    (tmp_path / "held.jsonl").write_text(json.dumps(held) + "\n")
    return tmp_path


def run(files: Path, *more: str, name: str = "numina", data: str = "raw.jsonl", exclude: str = "held.jsonl") -> int:
    excluded = exclude if exclude == "none" else str(files / exclude)
    return main(
        ["prepare", name, "--data", str(files / data), "--exclude", excluded, "--out", str(files / "out.jsonl"), *more]
    )


def test_prepare_writes_problems_and_reports_that_agree(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--size", "10") == 0
    assert "10 of 22 problems kept, 20 passed (dropped: 1 proof, 1 overlaps evaluation)" in capsys.readouterr().out
    kept = read_task_file(files / "out.jsonl")
    report = json.loads((files / "out.report.json").read_text())
    assert [p.source for p in kept].count("s0") == 5
    assert report["counts"] == {"read": 22, "dropped": {"proof": 1, "overlaps evaluation": 1}, "passed": 20, "kept": 10}
    assert report["by_source"]["s0"] == {"read": 11, "dropped": {"proof": 1}, "passed": 10, "kept": 5}
    assert report["data"][0]["sha256"] == hashlib.sha256((files / "raw.jsonl").read_bytes()).hexdigest()
    assert report["output"]["sha256"] == hashlib.sha256((files / "out.jsonl").read_bytes()).hexdigest()
    assert report["overlaps"]["by_set"] == {str(files / "held.jsonl"): 1}
    assert [e["problem"] for e in report["examples"]["proof"]] == ["Prove that two is even."]
    page = (files / "out.report.md").read_text()
    assert "| proof | 1 |" in page
    assert report["output"]["sha256"] in page


def test_prepare_again_gives_the_same_bytes(files: Path) -> None:
    assert run(files, "--size", "10") == 0
    before = (files / "out.jsonl").read_bytes()
    assert run(files, "--size", "10") == 0
    assert (files / "out.jsonl").read_bytes() == before
    assert run(files, "--size", "10", "--seed", "1", "--force") == 0
    assert (files / "out.jsonl").read_bytes() != before


def test_other_content_is_replaced_only_by_force(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "out.jsonl").write_text("mine")
    assert run(files) == 2
    assert "is there already with other content" in capsys.readouterr().err
    assert (files / "out.jsonl").read_text() == "mine"
    assert not (files / "out.report.json").exists()
    assert run(files, "--force") == 0
    assert len(read_task_file(files / "out.jsonl")) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "numinna"}, "unknown task 'numinna' (did you mean 'numina'?)"),
        ({"more": ("--size", "21")}, "20 of 22 problems are left after filtering (1 proof, 1 overlaps evaluation)"),
        ({"more": ("--size", "0")}, "ask for at least 1"),
        ({"more": ("--balance", "even")}, "unknown balance 'even'"),
        ({"more": ("--overlap", "ngram")}, "unknown overlap rule 'ngram' (did you mean 'ngrams'?)"),
        ({"data": "held.jsonl"}, "held.jsonl is itself an evaluation set: all of its 1 problems are in"),
        (
            {"data": "broken.jsonl"},
            "broken.jsonl: 1 of 1 lines cannot be used as problems (each needs problem and answer): line 1: no",
        ),
        ({"exclude": "gone.jsonl"}, "no file"),
        ({"name": "numina:AIME"}, "leave them out where --data is given"),
        ({"more": ("--out", "task.json")}, "must end in .jsonl"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], message: str
) -> None:
    (files / "broken.jsonl").write_text('{"problem": "What?"}\n')
    assert run(files, *arguments.pop("more", ()), **arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(files.glob("out*"))


def test_a_file_may_stand_in_the_place_of_the_name(files: Path) -> None:
    out = files / "out.jsonl"
    assert main(["prepare", str(files / "raw.jsonl"), "--exclude", "none", "--out", str(out)]) == 0
    assert len(read_task_file(out)) == 21


# ---- the real sets


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "math_train_7p5k.jsonl").exists(), reason="the real problem files are not here")
def test_real_problems_leave_no_evaluation_problem_and_no_duplicate(tmp_path: Path) -> None:
    training = ("math_train_7p5k", "deepscaler_sub_1209", "aime_1983_2023")
    held_out = ("math500", "aime2024", "gsm8k_test", "amc23", "commonsenseqa_dev", "logical_deduction_dev")
    out = tmp_path / "train.jsonl"
    command = ["prepare", "numina", "--size", "3200", "--out", str(out)]
    command += ["--data", *(str(DATA / f"{name}.jsonl") for name in training)]
    command += ["--exclude", *(str(DATA / f"{name}.jsonl") for name in held_out)]
    assert main(command) == 0
    report = json.loads((tmp_path / "train.report.json").read_text())
    kept = read_task_file(out)  # refuses equal questions by itself
    asked = {" ".join(p.question.lower().split()) for name in held_out for p in read_task_file(DATA / f"{name}.jsonl")}
    assert len(kept) == 3200
    assert not asked & {" ".join(p.question.lower().split()) for p in kept}
    counts = report["counts"]
    assert counts["read"] == sum(len(load_raw_lines(DATA / f"{name}.jsonl")) for name in training)
    assert counts["read"] == counts["passed"] + sum(counts["dropped"].values())


def load_raw_lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
