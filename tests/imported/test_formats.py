"""A file is looked at, not believed: what it is, how large it becomes, whether it is whole."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from logs import INSPECT
from tersely.cli import main
from tersely.errors import UserError
from tersely.imported import reading, zipped
from tersely.imported.formats import FORMATS, read_log


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_log(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_log_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    said = refused(tmp_path / "notes.txt")
    assert "is no log that is known here" in said
    assert all(name in said for name in FORMATS)


def test_a_name_decides_nothing(tmp_path: Path) -> None:
    shutil.copy(INSPECT / "base.eval", tmp_path / "log.parquet")
    assert read_log(tmp_path / "log.parquet").task == "sums"


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    shutil.copy(INSPECT / "base.eval", tmp_path / "base.eval")
    assert "(did you mean 'base.eval'?)" in refused(tmp_path / "basis.eval")
    assert "is a folder: name the logs in it" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(tmp_path / "pipe")


@pytest.mark.parametrize("keep", [10, 100, 1000, 5000, 9000])
def test_a_torn_zip_is_one_sentence(tmp_path: Path, keep: int) -> None:
    (tmp_path / "torn.eval").write_bytes((INSPECT / "base.eval").read_bytes()[:keep])
    assert "cannot be read as a log of inspect-ai" in refused(tmp_path / "torn.eval")


@pytest.mark.parametrize("name", ["base.eval", "whole.eval"])
def test_a_changed_byte_of_a_sample_is_seen(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zstandard")
    content = bytearray((INSPECT / name).read_bytes())
    with zipfile.ZipFile(INSPECT / name) as archive:
        info = archive.getinfo("samples/1_epoch_1.json")
    content[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    assert "cannot be read as a log of inspect-ai" in refused(tmp_path / name)


def test_an_evaluation_that_has_not_ended_has_no_header(tmp_path: Path) -> None:
    path = rewritten(tmp_path, drop="header.json")
    assert "of an evaluation that has not ended: finish it with inspect eval-retry first" in refused(path)


def test_a_log_without_zstd_s_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    said = refused(INSPECT / "whole.eval")
    assert "pip install" in said
    assert "inspect log convert --to json" in said


def test_a_zip_that_unpacks_to_more_than_a_log_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MOST", 1000)
    assert "too many for a log" in refused(INSPECT / "base.eval")
    monkeypatch.setattr(zipped, "MOST", 1 << 20)
    monkeypatch.setattr(zipped, "MOST_OF_ALL", 5000)
    assert "too many for a log" in refused(INSPECT / "base.eval")


def test_a_member_that_unpacks_to_more_than_it_says_is_cut_short() -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    assert len(packed) < 10_000
    assert len(zipped._unpacked(packed, 1000)) == 1001


def test_a_deflated_member_that_unpacks_to_more_than_it_says_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", bytes(50_000_000))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 50_000_000), struct.pack("<I", 1000)))
    tracemalloc.start()
    assert "cannot be read as a log of inspect-ai" in refused(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_several_frames_of_zstd_are_one_member(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    parts = [zstandard.ZstdCompressor().compress(part) for part in (b"one ", b"two")]
    assert zipped._unpacked(b"".join(parts), 7) == b"one two"


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", 1000)
    assert "more than the 1000 that are read at once" in refused(INSPECT / "base.json")


def test_a_name_that_stands_twice_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    path = rewritten(tmp_path)
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("header.json", json.dumps({**header, "status": "cancelled"}))
    assert "the status 'cancelled'" in refused(path)


def test_a_nest_of_lists_is_one_sentence(tmp_path: Path) -> None:
    nest = "[" * 100_000
    (tmp_path / "deep.json").write_text(f'{{"version": 2, "status": "success", "eval": {nest}', encoding="utf-8")
    assert "cannot be read as a log of inspect-ai" in refused(tmp_path / "deep.json")


@pytest.mark.slow
def test_names_of_a_log_lead_nowhere_and_its_texts_act_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = json.loads((INSPECT / "base.json").read_text(encoding="utf-8"))
    log["eval"].update(model="../../\x1b[2Jmodel", task="/etc/<b>sums</b>")
    for sample in log["samples"]:
        sample["output"]["choices"][0]["message"]["content"] = "<script>alert(1)</script> \x1b[31m \ud800"
        sample["messages"] = []
    (tmp_path / "log.json").write_text(json.dumps(log), encoding="utf-8")
    assert main(["import", str(tmp_path / "log.json"), "--out", str(tmp_path / "out")]) == 0
    assert [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").glob("*/*")] == ["2Jmodel/etc-b-sums-b"]
    assert "\x1b" not in capsys.readouterr().out
    page = tmp_path / "page"
    folder = str(tmp_path / "out" / "2Jmodel")
    assert main(["compare", folder, "--base", folder, "--out", str(page)]) == 0
    assert "<script>alert" not in (page / "index.html").read_text(encoding="utf-8")


def rewritten(tmp_path: Path, drop: str = "") -> Path:
    """The base log, without one of its members."""
    path = tmp_path / "rewritten.eval"
    with zipfile.ZipFile(INSPECT / "base.eval") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != drop:
                new.writestr(name, old.read(name))
    return path
