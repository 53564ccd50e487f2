"""Tasks by name, read from the Hugging Face hub at a pinned revision.

A name is ``gsm8k``, ``numina:AIME,AoPS`` (subsets) or ``gsm8k@COMMIT`` (another revision). Data comes
through the ``datasets`` library, which is an optional extra (``tersely[hub]``); no code of a repository is ever run.
Any JSONL file with ``problem`` and ``answer`` does in place of a name, and is what to use without a network.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

from tersely.errors import UserError, nearest, require_known
from tersely.extras import install_command
from tersely.jsonl import Row
from tersely.records import JsonObject, Problem
from tersely.tasks.sources import Split
from tersely.tasks.sources.rows import problem_from_row
from tersely.verify.grammar import key, matching

NO_ANSWER = "no boxed answer"
SEVERAL_ANSWERS = "several answers"
MALFORMED = "malformed row"
OTHER_SUBSET = "another subset"


class Skip(Exception):  # noqa: N818 (an outcome, not a mistake)
    """A row of the hub that gives no problem; the text is the reason under which it is counted."""


@dataclass(frozen=True, slots=True)
class HubTask:
    """Where a named task lives and how its rows become problems."""

    repository: str
    revision: str | None
    """Commit; None where none is known to us, so that it must be named."""
    configuration: str | None
    splits: Mapping[Split, str]
    """Our split -> the hub's."""
    columns: tuple[str, ...]
    """Columns that ``read`` needs."""
    read: Callable[[Row], Row]
    """Row of the hub -> row as ``rows`` reads it. Raises Skip."""
    subsets: Mapping[str, str] = field(default_factory=dict)
    """Our name of a subset -> value of the row's ``source``."""
    files: tuple[str, ...] = ()
    """Files of the repository to read, where several configurations make one task."""


@dataclass(frozen=True, slots=True)
class HubOrigin:
    """Where the problems of a named task came from: what a report keeps."""

    task: str
    repository: str
    revision: str
    """The commit, resolved."""
    configuration: str | None
    split: str
    """The hub's name of it."""
    subsets: tuple[str, ...]
    rows: int
    """Rows read, before any was skipped."""

    def to_json(self) -> JsonObject:
        return {**asdict(self), "subsets": list(self.subsets)}


@dataclass(frozen=True, slots=True)
class HubRows:
    """What came from the hub."""

    problems: list[Problem]
    skipped: Counter[tuple[str, str]]
    """(source, reason) -> rows that gave no problem."""
    origin: HubOrigin


def last_boxed(text: str) -> str | None:
    """What the last ``\\boxed{...}`` with balanced braces holds, or None."""
    boxes = boxed(text)
    return boxes[-1] if boxes else None


def boxed(text: str) -> list[str]:
    """The contents of all boxes in order; boxes that are empty or never close are left out."""
    found = []
    for match in re.finditer(r"\\boxed\s*(?=\{)", text):
        end = matching(text, match.end())
        if end > 0 and (content := text[match.end() + 1 : end].strip()):
            found.append(content)
    return found


def _gsm8k(row: Row) -> Row:
    head, mark, answer = row["answer"].rpartition("####")
    if not mark or not head:
        raise Skip(NO_ANSWER)
    return {"problem": row["question"], "answer": answer.replace(",", "").strip(), "source": "gsm8k"}


def _math(row: Row) -> Row:
    answer = last_boxed(row["solution"])
    if answer is None:
        raise Skip(NO_ANSWER)
    level = row["level"].removeprefix("Level").strip()
    return {"problem": row["problem"], "answer": answer, "source": "MATH", "level": level}


def _math500(row: Row) -> Row:
    return {"problem": row["problem"], "answer": row["answer"], "source": "MATH", "level": row["level"]}


def _aime2024(row: Row) -> Row:
    return {"problem": row["problem"], "answer": row["answer"], "source": "AIME 2024"}


def _numina(row: Row) -> Row:
    """NuminaMath-CoT has no answer column: the answer is what the solution boxes, if it is one thing."""
    answers = boxed(row["solution"])
    if not answers:
        raise Skip(NO_ANSWER)
    if len({key(answer) for answer in answers}) > 1:
        raise Skip(SEVERAL_ANSWERS)
    return {"problem": row["problem"], "answer": answers[-1], "source": row["source"]}


def _paper(row: Row) -> Row:
    """The authors' own selection: problems "easily parsed", whose solution is a text with a box or the answer alone."""
    answer = last_boxed(row["solution"]) or row["solution"].strip()
    if not answer or "\n" in answer:
        raise Skip(NO_ANSWER)
    return {"problem": row["problem"], "answer": answer, "source": "paper-train"}


def _commonsense_qa(row: Row) -> Row:
    choices = dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))
    if not row["answerKey"]:
        raise Skip(NO_ANSWER)  # the test split has no labels
    return {"problem": row["question"], "choices": choices, "answer": row["answerKey"], "source": "commonsense_qa"}


def _logical_deduction(row: Row) -> Row:
    # BIG-Bench Hard keeps question and options in one text and the answer as a letter in parentheses.
    question, found, options = row["input"].partition("\nOptions:\n")
    choices = dict(re.findall(r"(?m)^\(([A-Z])\) (.+)$", options))
    answer = row["target"].strip("() \n")
    if not found or answer not in choices:
        raise Skip(NO_ANSWER)
    return {
        "problem": f"{question.strip()}\n\nWhich of the following is true?",
        "choices": choices,
        "answer": answer,
        "source": f"bigbench_logical_deduction_{len(choices)}",
    }


NUMINA_SUBSETS: Mapping[str, str] = MappingProxyType(
    {"MATH": "math", "cn_k12": "cn_k12", "AIME": "amc_aime", "AoPS": "aops_forum", "Olympiad": "olympiads"}
)
"""The paper's five, by NuminaMath-CoT's own ``source`` labels; ``amc_aime`` holds AMC problems too."""

NAMED: Mapping[str, HubTask] = MappingProxyType(
    {
        "gsm8k": HubTask(
            "openai/gsm8k", "740312add88f781978c0658806c59bc2815b9866", "main",
            {"train": "train", "held_out": "test"}, ("question", "answer"), _gsm8k,
        ),
        "math": HubTask(
            "DigitalLearningGmbH/MATH-lighteval", "0530c78699ea5e8eb5530600900e1f328b48acad", "default",
            {"train": "train", "held_out": "test"}, ("problem", "level", "solution"), _math,
        ),
        "math500": HubTask(
            "HuggingFaceH4/MATH-500", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", None,
            {"held_out": "test"}, ("problem", "answer", "level"), _math500,
        ),
        "aime2024": HubTask(
            "HuggingFaceH4/aime_2024", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a", None,
            {"held_out": "train"}, ("problem", "answer"), _aime2024,
        ),
        "numina": HubTask(
            "AI-MO/NuminaMath-CoT", "9d8d210c9f6a36c8f3cd84045668c9b7800ef517", None,
            {"train": "train"}, ("source", "problem", "solution"), _numina, NUMINA_SUBSETS,
        ),
        "paper-train": HubTask(
            "daman1209arora/compression_dataset", None, None, {"train": "train"}, ("problem", "solution"), _paper,
        ),
        "commonsense_qa": HubTask(
            "tau/commonsense_qa", "94630fe30dad47192a8546eb75f094926d47e155", None,
            {"train": "train", "held_out": "validation"}, ("question", "choices", "answerKey"), _commonsense_qa,
        ),
        "logical_deduction": HubTask(
            "lukaemon/bbh", "bead8740ff1abfb285193d3775e3ad97f0868ba8", None, {"held_out": "test"},
            ("input", "target"), _logical_deduction,
            files=tuple(f"logical_deduction_{n}_objects/bbh-test.parquet" for n in ("three", "five", "seven")),
        ),
    }
)  # fmt: skip

RAW = frozenset({"numina"})
"""Tasks that hold proofs and answers nobody can judge: filtered (``tasks.prepare``) before they are trained on."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name taken apart. Example: ``Named("numina", ("AIME",), "9d8d210c...")``."""

    name: str
    subsets: tuple[str, ...]
    revision: str | None

    @property
    def task(self) -> HubTask:
        return NAMED[self.name]


def parse_name(text: str) -> Named | None:
    """``NAME[:SUBSET,..][@REVISION]`` taken apart, or None if NAME is no named task. UserError for a wrong subset."""
    rest, _, revision = text.partition("@")
    name, _, listed = rest.partition(":")
    if name not in NAMED:
        return None
    task = NAMED[name]
    subsets = tuple(part.strip() for part in listed.split(",")) if listed else tuple(task.subsets)
    for subset in subsets:
        if not task.subsets:
            raise UserError(f"{name} has no subsets, so {subset!r} names nothing: write {name} alone")
        require_known(f"subset of {name}", subset, task.subsets)
    return Named(name, subsets, revision or task.revision)


def load_named(named: Named, split: Split) -> list[Problem]:
    """All problems of a split of a named task that needs no filtering. UserError if a row gives no problem."""
    got = read_hub(named, split)
    if got.skipped:
        (source, reason), count = got.skipped.most_common(1)[0]
        raise UserError(
            f"{named.name} at {got.origin.revision}: {sum(got.skipped.values())} rows give no problem "
            f"({reason}, {count} of {source}): name another revision or give a JSONL file"
        )
    return got.problems


def read_hub(named: Named, split: Split) -> HubRows:
    """Rows of a split as problems. UserError: no such split, no ``datasets``, hub out of reach."""
    task = named.task
    if split not in task.splits:
        other = "held_out" if split == "train" else "train"
        use = "it is for evaluation only" if split == "train" else "evaluate on math500, aime2024 or gsm8k instead"
        raise UserError(f"{named.name} has no {split} problems, only {other}: {use}")
    rows, revision = _fetch(named, task.splits[split])
    wanted = {task.subsets[subset]: subset for subset in named.subsets}
    skipped: Counter[tuple[str, str]] = Counter()
    problems = []
    for row in rows:
        if wanted and row["source"] not in wanted:
            skipped[row["source"], OTHER_SUBSET] += 1
            continue
        label = wanted.get(row["source"]) if wanted else None
        try:
            problems.append(_read_row(task, row, label, named.name, split))
        except Skip as skip:
            skipped[label or named.name, str(skip)] += 1
    origin = HubOrigin(
        named.name, task.repository, revision, task.configuration, task.splits[split], named.subsets, len(rows)
    )
    return HubRows(problems, skipped, origin)


def _read_row(task: HubTask, row: Row, label: str | None, name: str, split: Split) -> Problem:
    try:
        row = task.read(row)
        return problem_from_row(row | ({"source": label} if label else {}), name, split)
    except (UserError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Skip(MALFORMED) from error  # a field is null or of another type than the mapping expects


def _fetch(named: Named, split: str) -> tuple[Sequence[Row], str]:
    """(rows with the columns that are needed, the commit they come from): the one boundary to the hub."""
    task, revision = named.task, named.revision
    if revision is None:
        raise UserError(
            f"no revision of {task.repository} is known to tersely, so nobody could tell later what was read: name "
            f"its commit, {named.name}@COMMIT, or {named.name}@main for the newest"
        )
    try:
        import datasets
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError(
            f"{named.name} comes from the hub through the datasets library, which is not installed: "
            f"{install_command('hub')}, or give a JSONL file with problem and answer instead"
        ) from error
    # Its retries are reported line by line as warnings; what matters of them is in our one sentence.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            revision = str(HfApi().dataset_info(task.repository, revision=revision).sha)
        files = {split: list(task.files)} if task.files else None
        loaded = datasets.load_dataset(
            task.repository, task.configuration, split=split, revision=revision, data_files=files
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"cannot load {named.name} from the hub ({task.repository} at {revision[:12]}): {why}; check the network, "
            "or give a JSONL file with problem and answer instead (prepare: --data FILE and --exclude FILE; "
            "train and evaluate: --task FILE)"
        ) from error
    if missing := [column for column in task.columns if column not in loaded.column_names]:
        raise UserError(
            f"{task.repository} at {revision[:12]} has no column {missing[0]!r}"
            f"{nearest(missing[0], loaded.column_names)}: name the revision this release was made for ({task.revision})"
        )
    return loaded.select_columns(list(task.columns)), revision
