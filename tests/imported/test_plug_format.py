"""A log of another evaluator, added in ten lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logs import imported
from tersely.imported import formats
from tersely.imported.content import problem
from tersely.imported.formats import FORMATS, Format
from tersely.imported.record import Answered, Asked, ForeignLog, Scored
from tersely.records import Finish


def read(path: Path) -> ForeignLog:
    found = json.loads(path.read_text(encoding="utf-8"))
    answers = [
        Answered(str(i), problem(q, a, {}, "toy", str(path)), text, Finish.EOS, 3, None, {"toy": Scored(float(right))})
        for i, (q, a, text, right) in enumerate(found["toy"])
    ]
    return ForeignLog("toy 1", "toy", "0", "model", tuple(answers), Asked(), {"toy": 0.5})


def test_a_format_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", {**FORMATS, "toy": Format("log.toy", lambda h: h[:6] == b'{"toy"', read)})
    path = tmp_path / "log.toy"
    path.write_text(json.dumps({"toy": [["1+1?", "2", "2", True], ["2+2?", "4", "5", False]]}), encoding="utf-8")
    (found,) = imported(tmp_path / "out", path)
    assert [(r.correct, r.tokens) for r in found.responses()] == [(True, 3), (False, 3)]
    assert found.protocol.verifier == "toy:toy"


@pytest.mark.parametrize("content", ['{"toy": 5}', '{"toy": [[1]]}', '{"toy": []', "{}"])
def test_what_it_cannot_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    from tersely.cli import main

    monkeypatch.setattr(formats, "FORMATS", {"toy": Format("log.toy", lambda h: h[:6] == b'{"toy"', read)})
    (tmp_path / "log.toy").write_text(content, encoding="utf-8")
    assert main(["import", str(tmp_path / "log.toy"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
