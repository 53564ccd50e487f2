"""The report: what it shows equals what was measured, loads nothing, and lets no text of a model act."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import fake_runs
from crash import Refuser
from pages import PAYLOADS, Page, blank_figures
from tersely import table as tables
from tersely.analysis import ProtocolFacts, compare_paired, over_seeds, summarise
from tersely.commands.verb import message_of
from tersely.errors import StorageError, TerselyError, UserError
from tersely.evaluation.runs import read_run
from tersely.page.block import Options
from tersely.page.render import marked, write_report
from tersely.page.settings import variants
from tersely.records import Estimate
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.runs.json_file import read_json
from tersely.runs.kinds import RunKind
from tersely.runs.logs import read_log
from tersely.terminal import visible
from tersely.text import from_markdown_cell, markdown_block, markdown_cell, place, shorten


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A base, two alphas and a variant."""
    root = tmp_path_factory.mktemp("runs")
    base, runs = fake_runs.make_family(root, alphas=(0.0, 0.2), steps=12)
    return base, [*runs, fake_runs.make_run(root, base, 0.2, steps=12, normalize="group")]


@pytest.fixture(scope="module")
def family(made: tuple[Path, list[Path]]) -> tuple[Path, list[Path], Path]:
    """Reported once, with figures: what looks at the page is slow."""
    base, runs = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tersely.page.render.ENDINGS", ("svg", "png"))  # test_compare.py has the PDFs too
        page = write_report(runs, base, base.parent / "out", Options(commands=["tersely quickstart --out demo"]))
    return base, runs, page


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.mark.slow
def test_everything_is_there(family: tuple[Path, list[Path], Path]) -> None:
    out = family[2].parent
    for name in ("plane", "by_difficulty", "behaviours", "training"):
        name = name if name == "training" else f"{name}_arithmetic"
        assert (out / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (out / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    names = {path.stem for path in (out / "tables").iterdir()}
    each = {"overview", "details", "references", "noise", "plane", "by_difficulty", "behaviours",
            "behaviours_by_difficulty", "overthinking", "overthinking_by_difficulty"}  # fmt: skip
    whole = {"curves_training", "curves_training_ablations", "cost", "training_cost", "payback", "ablations"}
    assert names == {f"{name}_arithmetic" for name in each} | whole
    text = "".join(Page(family[2].read_text(encoding="utf-8")).texts)
    for words in (
        "tersely quickstart --out demo",
        "tersely evaluate base --k 2",
        "temperature",
        "2.13.0",
        "task_sha256",
    ):
        assert words in text
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert all((out / link).is_file() for link in re.findall(r"\]\(([^)]*)\)", markdown))


@pytest.mark.slow
def test_the_page_loads_nothing_and_runs_nothing(family: tuple[Path, list[Path], Path]) -> None:
    text = family[2].read_text(encoding="utf-8")
    page = Page(text)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "//" not in re.sub(r"<pre.*?</pre>|<td.*?</td>|<dd.*?</dd>", "", text, flags=re.DOTALL)
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base", "video", "audio"}
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcset", "action"}]
        target = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert target.startswith(("#", "data:,"))
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


@pytest.mark.slow
def test_every_reference_inside_the_page_has_one_target(family: tuple[Path, list[Path], Path]) -> None:
    page = Page(family[2].read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for _, a in page.tags if (a.get("href") or "").startswith("#")}
    assert wanted <= set(ids)


@pytest.mark.slow
def test_numbers_in_the_tables_equal_the_summaries(family: tuple[Path, list[Path], Path]) -> None:
    base, runs, page = family
    rows = {row["model"]: row for row in rows_of(page.parent / "tables" / "overview_arithmetic.csv")}
    details = {row["model"]: row for row in rows_of(page.parent / "tables" / "details_arithmetic.csv")}
    assert list(rows) == list(details) == ["base", "α 0", "α 0.2", "α 0.2 (normalize group)"]
    shown = "".join(Page(page.read_text(encoding="utf-8")).texts)
    base_records = read_run(base).evaluations[fake_runs.TASK].responses()
    for label, run in zip(list(rows)[1:], runs, strict=True):
        records = read_run(run).evaluations[fake_runs.TASK].responses()
        summary, versus = summarise(records, ProtocolFacts()), compare_paired(base_records, records)
        expected = {**summary.overall.to_json(), **versus.overall.to_json()}
        for key in ("tokens", "accuracy", "truncated", "token_saving", "accuracy_difference"):
            for end in ("value", "low", "high", "n"):
                cell = (details if key == "truncated" else rows)[label][key if end == "value" else f"{key}_{end}"]
                assert float(cell) == expected[key][end], (label, key, end)
        assert tables.show(Estimate(**expected["tokens"]), "tokens", False) in shown
        by_level = {r["difficulty"]: r for r in rows_of(page.parent / "tables" / "by_difficulty_arithmetic.csv")
                    if r["model"] == label}  # fmt: skip
        for level, block in versus.by_difficulty.items():
            assert float(by_level[level]["token_saving"]) == block.token_saving.value


@pytest.mark.slow
def test_the_headline_names_what_was_measured(family: tuple[Path, list[Path], Path]) -> None:
    base, runs, page = family
    records = {path: read_run(path).evaluations[fake_runs.TASK].responses() for path in (base, *runs)}
    saving, own = (compare_paired(records[path], records[runs[1]]).overall.token_saving for path in (runs[0], base))
    title = re.search(r"<h1>(.*?)</h1>", page.read_text(encoding="utf-8"))
    assert title is not None
    assert (
        f"with {saving.value * 100:.1f}\u00a0% fewer tokens than the same training without length pressure" in title[1]
    )
    told = "".join(Page(page.read_text(encoding="utf-8")).texts)
    assert "This is α 0.2." in told
    assert f"Against the base (before training): {tables.show(own, 'percent')} of the tokens saved" in told


@pytest.mark.slow
def test_evaluations_without_checks_are_said_to_be_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of these tests are as earlier versions left them."""
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.1,), steps=3)
    said = "Evaluated by an earlier version, in whose files damage would not be seen: base, α 0.1."
    assert said in write_report(runs, base, tmp_path / "out").read_text(encoding="utf-8")
    for run in (base, *runs):
        folder = run / "evaluation" / fake_runs.TASK
        lines, summary = read_log(folder / "responses.jsonl"), read_json(folder / "summary.json", "a summary")
        shutil.rmtree(folder)
        with RunFolder.open(folder, RunKind.EVALUATION, {}) as made:
            made.append("responses", lines)
            disk.write_json_atomic(folder / "summary.json", summary)
            made.mark_done({"responses": len(lines)})
    assert "earlier version" not in write_report(runs, base, tmp_path / "out").read_text(encoding="utf-8")


@pytest.mark.slow
def test_curves_keep_every_step_in_csv_and_few_on_the_page(family: tuple[Path, list[Path], Path]) -> None:
    _, runs, page = family
    rows = rows_of(page.parent / "tables" / "curves_training.csv")
    journal = read_run(runs[0]).journal
    mine = [row for row in rows if row["run"] == runs[0].name]
    assert [float(row["length"]) for row in mine] == [step.length for step in journal]
    assert mine[0]["kl"] == ""


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(family: tuple[Path, list[Path], Path], tmp_path: Path) -> None:
    base, runs, page = family
    again = write_report(runs, base, tmp_path / "again", Options(commands=["tersely quickstart --out demo"]))
    assert again.read_bytes() == page.read_bytes()


def poisoned(root: Path) -> tuple[Path, list[Path]]:
    """A base and a run whose every foreign string is a payload, one problem each."""
    base, run = fake_runs.make_base(root, k=1, problems=len(PAYLOADS)), None
    run = fake_runs.make_run(root, base, 0.1, k=1, problems=len(PAYLOADS), steps=3, method=PAYLOADS[0])
    for folder in (base, run):
        records = read_run(folder).evaluations[fake_runs.TASK].responses()
        bad = [
            replace(r, text=p, question=p, answer=p, extracted=p, difficulty=p)
            for r, p in zip(records, PAYLOADS, strict=True)
        ]
        fake_runs.write_evaluation(folder, bad, 1)
        path = folder / "evaluation" / fake_runs.TASK / "summary.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["protocol"]["template"] = PAYLOADS[1]
        document["versions"] = {PAYLOADS[2]: PAYLOADS[3]}
        document["command"] = PAYLOADS[0] + PAYLOADS[10]
        path.write_text(json.dumps(document), encoding="utf-8")
    return base, [run]


@pytest.fixture(scope="module")
def poison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("poison")
    base, runs = poisoned(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tersely.page.render.ENDINGS", ("svg",))
        return write_report(runs, base, root / "out", Options(commands=PAYLOADS))


@pytest.mark.slow
def test_no_foreign_text_becomes_markup(poison: Path) -> None:
    page = Page(poison.read_text(encoding="utf-8"))
    assert not {"script", "img", "include"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "javascript:" not in (attributes.get("href") or "")
        if tag == "b":
            assert attributes["class"] in {"CORRECT", "WRONG", "NO_ANSWER", "UNJUDGED"}
    assert sum(tag == "style" for tag, _ in page.tags) == 1
    assert sum(tag == "main" for tag, _ in page.tags) == 1
    commands = next(text for text in page.pre if PAYLOADS[0] in text and PAYLOADS[6] in text)
    assert "{{ 7 * 7 }}" in commands
    assert "49" not in commands


@pytest.mark.slow
def test_nothing_invisible_reaches_the_page(poison: Path) -> None:
    for path in (poison, poison.parent / "report.md", *(poison.parent / "tables").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x0e-\x1f\x7f]", text), path
    assert "⟨U+202E⟩" in poison.read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_markdown_block_is_escaped_from(poison: Path) -> None:
    lines = (poison.parent / "report.md").read_text(encoding="utf-8").splitlines()
    fence, outside = "", []
    for line in lines:
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line.removesuffix("text")
        else:
            outside.append(line)
    text = "\n".join(outside)
    assert not fence
    assert "<script" not in text
    assert "<img" not in text
    assert "# not a heading" not in outside
    assert not re.search(r"(?<!\\)\]\((?!figures/|tables/)", text)


@pytest.mark.slow
def test_no_csv_cell_is_a_formula(poison: Path) -> None:
    for path in (poison.parent / "tables").iterdir():
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                try:
                    float(cell)
                except ValueError:
                    assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_disarmed_and_numbers_are_not(text: str) -> None:
    table = tables.Table("t", "t", (tables.Column("a", "A"), tables.Column("b", "B", "change")), ((text, -0.5),))
    cell, number = next(csv.reader(io.StringIO(table.to_csv().split("\n", 1)[1])))
    assert cell.startswith("'")
    assert float(number) == -0.5


@pytest.mark.parametrize("payload", PAYLOADS)
def test_marked_text_is_the_text_escaped_with_marks_around_phrases(payload: str) -> None:
    source = f"Wait, {payload} let me check another way"
    found = str(marked(source, {"a": ["check"], "b": ["wait"], "c": ["another way"]}))
    assert re.sub(r"</?mark[^>]*>", "", found) == html.escape(source)
    assert found.count("<mark") == 3


def test_small_text_helpers() -> None:
    assert visible("a\u202eb\x07\n\tc") == "a⟨U+202E⟩b⟨U+0007⟩\n\tc"
    assert shorten("x" * 50, 100) == "x" * 50
    assert "400 characters left out" in shorten("x" * 1000, 600)
    assert markdown_cell("a|b\n<c>") == "a\\|b &lt;c&gt;"
    assert markdown_block("a ```` b").startswith("`````text\n")


def test_values_are_shown_with_unit_sign_and_interval() -> None:
    saving = Estimate(0.5732, 0.55, 0.596, 100, "t")
    assert tables.show(saving, "percent") == "57.3\u00a0% [55.0, 59.6]"
    assert tables.show(saving, "percent", interval=False) == "57.3\u00a0%"
    assert tables.show(Estimate(-0.012, -0.02, 0.004, 9, "t"), "points") == "−1.2\u00a0points [−2.0, +0.4]"
    assert tables.show(Estimate(-0.00001, None, None, 1, "t"), "change") == "±0.0"
    assert tables.show(None, "tokens") == "–"


# --- several seeds, several tasks, missing things ---------------------------------------------------------------------


@pytest.mark.slow
def test_seeds_of_one_alpha_are_shown_one_by_one_and_as_their_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    runs = []
    for seed in range(3):
        base = fake_runs.make_base(tmp_path, seed=seed, name=f"base-{seed}")
        runs += [fake_runs.make_run(tmp_path, base, alpha, seed=seed, steps=6) for alpha in (0.0, 0.2)]
    page = write_report(runs, None, tmp_path / "out")
    rows = {row["model"]: row for row in rows_of(page.parent / "tables" / "overview_arithmetic.csv")}
    single = [row for row in rows_of(page.parent / "tables" / "seeds_arithmetic.csv") if row["model"] == "α 0.2"]
    assert len(single) == 3
    values = [float(row["token_saving"]) for row in single]
    assert float(rows["α 0.2"]["token_saving"]) == pytest.approx(sum(values) / 3)
    assert int(rows["α 0.2"]["token_saving_n"]) == 3
    assert rows["α 0.2"]["token_saving_low"] == ""
    assert rows["base"]["seeds"] == "3"
    pair = [read_run(tmp_path / name).evaluations[fake_runs.TASK] for name in ("base-2", "alpha-0.2-seed-2")]
    own = compare_paired(*(evaluation.responses() for evaluation in pair))
    assert values[2] == own.overall.token_saving.value
    assert "In 3 of 3 seeds tokens fall" in page.read_text(encoding="utf-8")
    shown = "".join(Page(page.read_text(encoding="utf-8")).texts)
    mean = over_seeds([Estimate(value, None, None, 30, "") for value in values])
    assert tables.show(mean, "percent").replace("(", "(", 1) in shown.replace("\n", "")


@pytest.mark.slow
def test_two_tasks_get_a_section_and_files_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.1,), steps=3)
    for folder, alpha in ((base, None), (runs[0], 0.1)):
        fake_runs.write_evaluation(folder, fake_runs.make_records(alpha, 3), 2, task="other")
    page = write_report(runs, base, tmp_path / "out")
    names = {p.stem for p in (tmp_path / "out" / "figures").glob("*.png")}
    assert {"plane_aggregate", "plane_arithmetic", "plane_other", "sets", "behaviours_other"} <= names
    assert page.read_text(encoding="utf-8").count("<h1>") == 1
    assert "answers 2 data sets with" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_without_a_base_or_a_journal_the_rest_is_still_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    _, runs = fake_runs.make_family(tmp_path / "in", alphas=(0.0, 0.1), steps=3)
    for run in runs:
        document = json.loads((run / "config.json").read_text(encoding="utf-8"))
        document["config"]["model"] = "somewhere/else"
        (run / "config.json").write_text(json.dumps(document), encoding="utf-8")
        (run / "journal.jsonl").unlink()
        (run / "clock.jsonl").unlink()
    page = write_report(runs, None, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "No base was found" in text
    assert "than the same training without length pressure" in text
    alone = write_report(runs[1:], None, tmp_path / "alone").read_text(encoding="utf-8")
    assert "<h1>No base was given, so no saving is shown.</h1>" in alone
    assert not (tmp_path / "out" / "figures" / "training.png").exists()


@pytest.mark.slow
def test_the_evaluation_of_a_model_of_somebody_else_serves_as_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.1,), steps=3)
    foreign = tmp_path / "evaluations" / "Their-Model"
    foreign.mkdir(parents=True)
    (base / "evaluation" / fake_runs.TASK).rename(foreign / fake_runs.TASK)
    rows = rows_of(write_report(runs, foreign, tmp_path / "out").parent / "tables" / "overview_arithmetic.csv")
    assert [row["model"] for row in rows] == ["base", "α 0.1"]
    assert float(rows[1]["token_saving"]) > 0


def damage(folder: Path, name: str, text: str) -> None:
    (folder / "evaluation" / fake_runs.TASK / name).write_text(text, encoding="utf-8")


def test_what_cannot_be_reported_is_said_in_one_sentence_and_nothing_is_written(tmp_path: Path) -> None:
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.1, 0.2), steps=3)
    out, folder = tmp_path / "out", runs[1] / "evaluation" / fake_runs.TASK

    def refused(match: str, given: list[Path] = runs) -> None:
        with pytest.raises(TerselyError, match=match) as caught:
            write_report(given, base, out)
        assert "\n" not in str(caught.value)
        assert not out.exists()

    refused("at least one trained run", [base])
    refused("no run folder of tersely", [tmp_path / "nowhere"])
    twin = tmp_path / "twin"
    twin.mkdir()
    for part in runs[0].rglob("*"):
        target = twin / part.relative_to(runs[0])
        target.mkdir(parents=True) if part.is_dir() else target.write_bytes(part.read_bytes())
    refused("both α 0.1 with seed 0", [*runs, twin])
    summary = (folder / "summary.json").read_text(encoding="utf-8")
    damage(runs[1], "summary.json", summary.replace('"temperature": 1.0', '"temperature": 0.6'))
    refused("evaluated under another temperature")
    damage(runs[1], "summary.json", "{")
    refused("summary.json cannot be read as the summary of an evaluation: not JSON")
    damage(runs[1], "summary.json", "{}")
    refused("not a summary of tersely")
    damage(runs[1], "summary.json", summary)
    lines = (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    damage(runs[1], "responses.jsonl", "".join(lines[:-1]))
    refused("holds 119 responses but its summary counts 120")
    damage(runs[1], "responses.jsonl", "".join([*lines[:-1], '{"problem_id": 1}\n']))
    refused("line 120: not an evaluated response")
    damage(runs[1], "responses.jsonl", "".join(lines[:-20]))
    damage(runs[1], "expected.json", '{"responses": 120}')
    (folder / "summary.json").unlink()
    refused(r"half-finished \(20 of 120 responses are missing\)")


@pytest.mark.slow
def test_a_foreign_folder_is_left_alone_and_a_full_disk_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.1,), steps=3)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        write_report(runs, base, foreign)
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    with disk.observed_by(Refuser(3)), pytest.raises(StorageError, match=r"page is not whole.*the disk is full"):
        write_report(runs, base, tmp_path / "out")


def test_an_output_that_cannot_be_is_refused_before_anything_is_drawn(
    made: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, runs = made
    monkeypatch.setattr("tersely.page.render.render_figure", lambda *_: pytest.fail("drawn for nothing"))
    (tmp_path / "out").symlink_to("nowhere")
    with pytest.raises(UserError, match="is a symbolic link to nothing"):
        write_report(runs, base, tmp_path / "out")


def test_a_setting_that_an_older_version_did_not_know_is_no_variant(tmp_path: Path) -> None:
    base = fake_runs.make_base(tmp_path)
    old, new = (fake_runs.make_run(tmp_path, base, alpha) for alpha in (0.1, 0.2))
    document = json.loads((new / "config.json").read_text())
    document["config"].setdefault("sampling", {})["engine"] = "transformers"  # where it is computed
    document["config"].setdefault("learner", {})["lora"] = None
    (new / "config.json").write_text(json.dumps(document))
    assert variants([read_run(old), read_run(new)]) == ["", ""]
    document["config"]["learner"]["optimizer"] = "adam8bit"
    (new / "config.json").write_text(json.dumps(document))
    assert any("optimizer" in words for words in variants([read_run(old), read_run(new)]))


def test_a_page_shows_paths_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(tmp_path / "runs" / "a") == str(Path("runs/a"))
    assert place(Path("runs/a")) == str(Path("runs/a"))
    assert place(tmp_path.parent / "elsewhere") == str(tmp_path.parent / "elsewhere")


def test_the_message_of_a_page_is_its_headline_and_what_was_found(tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    page.write_text("\n# Alpha 0.2 saves 40 %.\n\n- Tokens fall.\n- Mind: one seed.\n\n## Overview\n\n| a |\n")
    assert message_of(page) == "Alpha 0.2 saves 40 %.\n- Tokens fall.\n- Mind: one seed."


@pytest.mark.slow
def test_the_message_on_a_terminal_is_the_page_s_in_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Markdown's backslashes and entities, and without the table that stands under it on the page."""
    blank_figures(monkeypatch)
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=12)
    said = message_of(write_report(runs, base, tmp_path / "out").with_name("report.md"))
    assert "fewer tokens than before training" in said
    assert re.search(r" \[.*?, .*?\]", said)
    assert all(line.startswith("- ") for line in said.splitlines()[1:])
    name = r"a_b[c]\*`&lt;<i>"
    assert from_markdown_cell(markdown_cell(name)) == name
