"""What a user is told of content in a wrong form names no part of Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tersely.errors import UserError, plainly
from tersely.plan.time import read_machine


@dataclass(frozen=True)
class Sample:
    name: str
    size: float


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "too few": (lambda: Sample(**{"name": "a"}), "the field 'size' is missing"),
    "many too few": (lambda: Sample(**{}), "the fields 'name' and 'size' are missing"),
    "unknown": (lambda: Sample(**{"name": "a", "size": 1, "nam": 2}), "the field 'nam' is not known"),
    "no key": (lambda: {}["size"], "the field 'size' is missing"),
    "no float": (lambda: float("many"), "'many' is no number"),
    "no int": (lambda: int("1.5"), "'1.5' is no number"),
    "list for a number": (lambda: float([1]), "a field has another form"),
    "list for an object": (lambda: list("a")["size"], "a field has another form"),
    "number for an object": (lambda: int("1").get("size"), "a field has another form"),
    "nothing": (lambda: json.loads(""), "expected value at line 1, column 1"),
    "torn": (lambda: json.loads('{"a'), "unterminated string starting at line 1, column 2"),
    "bytes": (lambda: b"\xff".decode(), "not UTF-8 at byte 0"),
    "no file": (lambda: Path("nowhere").read_bytes(), "no such file or directory"),
    "our own words": (lambda: _refuse(), "step must not fall"),
}


def _refuse() -> None:
    raise ValueError("step must not fall")


@pytest.mark.parametrize("what", WRONG)
def test_a_fault_of_form_is_told_in_words(what: str) -> None:
    make, words = WRONG[what]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of every kind
        make()
    assert plainly(caught.value) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"flops": 1}', "the field 'bandwidth' is missing"),
        ('{"flops": 1, "bandwidth": 1, "nam": 3}', "the field 'nam' is not known"),
        ("[1]", "a field has another form"),
        ('{"a"', "expected ':' delimiter at line 1, column 5"),
        ("", "expected value at line 1, column 1"),
        ('{"flops": "many", "bandwidth": 1}', "'many' is no number"),
    ],
)
def test_a_machine_file_is_refused_in_words(content: str, words: str, tmp_path: Path) -> None:
    place = tmp_path / "machine.json"
    place.write_text(content)
    with pytest.raises(UserError) as caught:
        read_machine(place)
    assert str(caught.value).startswith(f"{place} does not describe a machine ({words}): give a JSON object with")
