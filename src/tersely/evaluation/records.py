"""Reading what an evaluation left on disk. No torch: the report reads through here."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from glob import escape as glob_escape
from pathlib import Path

from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.records import Summary
from tersely.errors import UserError, plainly
from tersely.evaluation.as_logged import AsLogged
from tersely.records import EvalRecord, JsonObject, LengthSource
from tersely.runs import places
from tersely.runs.identity import is_run_folder
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log
from tersely.verify.summary import PolicyCount, Remarks

RESPONSES = "responses"
SUMMARY = "summary.json"
EXPECTED = "expected.json"
"""{"responses": how many the finished evaluation will hold}, written before the first."""


AGAIN = "remove it and done.json, and run its command again: finished responses are kept"
"""What to do about a damaged summary."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model measured on one task: what a finished evaluation folder holds."""

    name: str
    """Of the folder, ``[SUITE.]TASK[@VARIANT...]``."""
    path: Path
    protocol: ProtocolFacts
    summary: Summary
    versions: Mapping[str, str]
    """Of the libraries that it was made with."""
    command: str
    """That made it; empty where it was not recorded."""
    engine: str | None = None
    weights_sha256: str | None = None
    remarks: Remarks = field(default_factory=Remarks)
    """What the judge said that reports count."""
    policy: PolicyCount | None = None
    """How often our own rule agrees, where a policy decided."""
    length_source: str | None = None
    """Who counted the tokens, where they are not sampled ids."""
    as_logged: AsLogged | None = None
    """What the log says that it was imported from."""
    held: tuple[EvalRecord, ...] | None = None
    """Responses in memory, where they are not read from the folder at every call."""

    def sentences(self) -> list[str]:
        """What must be said beside the numbers: what was restated or cut, and the policy that counted."""
        told = [*self.remarks.sentences(self.summary.overall.responses)]
        if LengthSource.RETOKENISED in (self.length_source or ""):
            told.append("tokens are approximate: who sampled did not count them, so the text was encoded again")
        if self.as_logged is not None:
            told += self.as_logged.sentences(self.summary.overall.responses)
        return told if self.policy is None else [self.policy.sentence(), *told]

    def responses(self) -> tuple[EvalRecord, ...]:
        """Every evaluated response, in the order of the file. UserError where it cannot be read."""
        return tuple(read_responses(self.path)) if self.held is None else self.held


def read_evaluation(folder: Path) -> Evaluation:
    """A finished evaluation, of any release; UserError that says how much is missing of a half-finished one."""
    path = folder / SUMMARY
    if not path.is_file():
        raise UserError(
            f"the evaluation in {folder} is not finished ({progress(folder)}): "
            "run `tersely evaluate` on it again, it goes on where it stopped"
        )
    content = read_json(path, "the summary of an evaluation", AGAIN)
    try:
        return Evaluation(
            name=folder.name,
            path=folder,
            protocol=ProtocolFacts.from_json(content["protocol"]),
            summary=Summary.from_json(content["summary"]),
            versions=dict(content.get("versions", {})),
            command=str(content.get("command", "")),
            engine=content.get("engine"),
            weights_sha256=content.get("weights_sha256"),
            length_source=content.get("length_source"),
            remarks=Remarks(**content.get("judged", {})),
            policy=PolicyCount(**content["policy"]) if "policy" in content else None,
            as_logged=AsLogged.from_json(content["log"]) if "log" in content else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a summary of tersely ({plainly(error)}): evaluate again") from error


def source_of_lengths(sources: Iterable[LengthSource]) -> JsonObject:
    """What a summary says of how tokens were counted; nothing where they are those of sampled ids."""
    others = sorted({str(source) for source in sources} - {str(LengthSource.SAMPLED)})
    return {"length_source": "+".join(others)} if others else {}


def evaluation_folder(model: Path, name: str, out: Path | None, kind: str = "evaluation") -> Path:
    """Where evaluation ``name`` goes: ``out``, or beneath the run folder; never into other people's folders, nor
    through a link in one that was named (UserError)."""
    if out is None and not is_run_folder(model):
        raise UserError(
            f"{model} is not a run folder of tersely, so nothing is written there: say where with --out DIR"
        )
    folder = model / kind / name if out is None else out / name
    places.require_no_links(folder, below=model if out is None else out)
    return folder


def read_responses(folder: Path, *, allow_torn: bool = False) -> list[EvalRecord]:
    """The evaluated responses of an evaluation folder, in the order of their lines.

    A response that was judged again stands where it first stood, as it was judged last.
    """
    found: dict[tuple[str, int], EvalRecord] = {}
    for number, line in enumerate(read_log(folder / f"{RESPONSES}.jsonl", allow_torn=allow_torn), start=1):
        try:
            record = EvalRecord.from_json(line)
            found[record.problem_id, record.sample] = record
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{folder / RESPONSES}.jsonl, line {number}: not an evaluated response ({plainly(error)}); "
                "evaluate again"
            ) from error
    return list(found.values())


def progress(folder: Path) -> str:
    """How far a half-finished evaluation is, as far as its folder tells."""
    done = len(read_responses(folder, allow_torn=True)) if (folder / f"{RESPONSES}.jsonl").is_file() else 0
    total = _expected(folder)
    return f"{done} responses so far" if total is None else f"{total - done} of {total} responses are missing"


def _expected(folder: Path) -> int | None:
    """Responses that there will be; folders of earlier versions tell only where the size was asked for."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(read_json(folder / EXPECTED, "what to expect")["responses"])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        config = read_json(folder / "config.json", "a configuration")["config"]
        return int(config["size"]) * int(config["k"])
    return None


def read_curve(run: Path, task: str) -> list[tuple[int, Evaluation]]:
    """(step, evaluation) of each evaluated checkpoint of a run folder, earliest first: what ``--all-checkpoints`` left.

    ``task`` is the name without variants (``arithmetic``, ``paper.gsm8k``). UserError where there are none, and for
    one that is half-finished.
    """
    named = re.compile(rf"{re.escape(task)}@step-(\d{{6,}})")
    found = [(named.fullmatch(folder.name), folder) for folder in (run / "evaluation").glob(f"{glob_escape(task)}@*")]
    curve = sorted((int(match[1]), folder) for match, folder in found if match)
    if not curve:
        raise UserError(
            f"{run} has no evaluated checkpoints of {task}: run `tersely evaluate "
            f"{shlex.quote(str(run))} --all-checkpoints` first"
        )
    return [(step, read_evaluation(folder)) for step, folder in curve]


def responses_on_disk(folder: Path) -> list[EvalRecord]:
    """Every response that is on disk."""
    there = (folder / f"{RESPONSES}.jsonl").is_file()
    return read_responses(folder, allow_torn=True) if there else []
