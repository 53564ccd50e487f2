"""Mathematics: the same number, formula, set, interval, matrix, relation or words, however it is written.

Decided by strings, exact rationals and high-precision values wherever they tell (``grammar``); the rest is asked of
math-verify in a worker process, after a static guard.
"""

from __future__ import annotations

import re

from tersely.records import Kind, Status
from tersely.verify import guard
from tersely.verify.boxes import unwrap
from tersely.verify.grammar import (
    SEVERAL,
    Form,
    Refused,
    Undefined,
    Unparsed,
    as_list,
    clean,
    equal,
    key,
    number,
    rational,
    read,
    restates,
)
from tersely.verify.kinds.base import AnswerKind, Decision, GoldCheck
from tersely.verify.kinds.choice import letter

_LETTERED = re.compile(r"(?:\\text\{\s*)?\(([A-J])\)(?:\s*\})?")
"""A choice among problems of mathematics: its gold says so by parentheses."""


RESTATED = "the value is not worked out"
"""Why an equal value is no answer (policy)."""
_MARKED = re.compile(r"\s*####\s*(\S.*)", re.DOTALL)
_RELATED = re.compile(r"(?:=|\\approx(?![A-Za-z])|\\equiv(?![A-Za-z]))(?![^{(]*[)}])")


def bare_gold(gold: str) -> str:
    """A gold answer without what it was wrapped in: a box, the mark of GSM8K."""
    marked = _MARKED.fullmatch(gold)
    return unwrap((marked[1] if marked else gold).strip(" $"))


def decide(gold: str, answer: str) -> Decision:
    """The first that tells: strings, numbers, forms, the guard."""
    gold = bare_gold(gold) if "boxed" in gold or "#" in gold else gold
    if (listed := as_list(gold)) is not None:
        gold, answer = listed, as_list(answer) or answer
    elif "quad" in answer and "," in gold:
        answer = as_list(answer) or answer
    return _decide(gold, answer)


def _decide(gold: str, answer: str) -> Decision:
    cleaned, wanted = clean(answer), clean(gold)
    if not cleaned:
        return Status.NO_ANSWER, "empty answer"
    if not wanted:
        return Status.WRONG, "the gold answer is empty"
    if key(answer) == key(gold) and not _undefined(wanted):
        return Status.CORRECT, "equal strings"
    a, b = number(wanted), number(cleaned)
    if a is not None and b is not None and a == b:
        return Status.CORRECT, "equal numbers"
    if (match := _LETTERED.fullmatch(wanted)) and letter(answer)[0] == match[1] and match[1] in cleaned:
        return Status.CORRECT, "same letter"
    operator = guard.unevaluated(_value_part(cleaned))
    if operator and operator not in wanted:
        return Status.WRONG, f"refused: {operator} is not evaluated"
    return _by_form(gold, answer)


def _value_part(text: str) -> str:
    """What stands right of the last sign of relation, without a modulus: a label may hold any operator."""
    if "=" not in text and "\\approx" not in text and "\\equiv" not in text:
        return text
    value = _RELATED.split(text)[-1]
    return re.sub(r"\(?\s*\\p?mod.*", "", value) if "\\equiv" in text else value


def _undefined(text: str) -> bool:
    """True for a gold like 0/0, with which nothing agrees."""
    try:
        form = read(text)
        equal(form, form)
    except Undefined:
        return True
    except (Refused, Unparsed):
        return False
    return False


def _by_form(gold: str, answer: str) -> Decision:
    wanted = _gold_form(gold)
    try:
        given = read(answer)
        if wanted is not None:
            same, reason = equal(wanted, given)
            if same and restates(wanted, given):
                return Status.WRONG, f"refused: {RESTATED}"
            if same is not None:
                return _status(same, reason), reason
    except Refused as refusal:
        return Status.WRONG, f"refused: {refusal}"
    except Unparsed:
        pass
    if wanted is not None and rational(wanted) is not None:
        # What equals a rational gold is in the grammar, and math-verify reads too much into the rest.
        return Status.WRONG, "not written as a number"
    cleaned, target = clean(answer), clean(gold)
    if operator := guard.never_ends(target):
        return Status.UNJUDGED, f"the gold answer is not evaluated: {operator}"
    refused = guard.refuse(cleaned) or guard.refuse(target) or guard.other_words(target, cleaned)
    refused = refused or guard.order_of_letters(target, cleaned)
    return (Status.WRONG, refused) if refused else (None, "for math-verify")


def _status(same: bool, reason: str) -> Status:
    if same:
        return Status.CORRECT
    return Status.NO_ANSWER if reason == SEVERAL else Status.WRONG


def _gold_form(gold: str) -> Form | None:
    """The gold's form; None where this grammar has none or finds it too large."""
    try:
        return read(gold)
    except (Unparsed, Refused):
        return None


def check_gold(gold: str) -> GoldCheck:
    """A gold with a value that can be compared: read here, or else by math-verify."""
    gold = as_list(gold) or bare_gold(gold)
    cleaned = clean(gold)
    if number(cleaned) is not None or _LETTERED.fullmatch(cleaned):
        return True, ""
    try:
        form = read(gold)
        equal(form, form)
    except Refused as refusal:
        return False, f"has no value that can be compared ({refusal})"
    except Unparsed:
        if operator := guard.never_ends(cleaned):
            return False, f"is not evaluated ({operator}), and an answer cannot be compared with that"
        reason = guard.refuse(cleaned)
        return (False, f"cannot be read as an answer ({reason})") if reason else (None, "for math-verify")
    return True, ""


def _for_worker(text: str) -> str:
    return clean(bare_gold(text))


MATH = AnswerKind(Kind.MATH, decide, check_gold, for_worker=_for_worker)
