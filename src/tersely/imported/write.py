"""Evaluation folders of foreign logs, which every later command reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tersely.analysis.summary import summarise
from tersely.errors import UserError
from tersely.evaluation.records import EXPECTED, RESPONSES, SUMMARY, responses_on_disk, source_of_lengths
from tersely.imported.as_ours import Imported
from tersely.records import JsonObject
from tersely.runs import disk, places
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import RunKind
from tersely.verify.summary import counts


def folders_of(found: Sequence[Imported], out: Path, name: str | None = None) -> list[Path]:
    """``OUT/MODEL/TASK`` for each; ``name`` is what the model is called, in place of its own name and what was asked
    for. UserError where two are one folder, and where a link stands on the way."""
    folders = [out / _name(name or one.label) / _name(one.rules.task or "") for one in found]
    twice, times = Counter(folders).most_common(1)[0]
    if times > 1:
        raise UserError(f"{times} logs would be {twice}: import them one by one, each with its own --name")
    for folder in folders:
        places.require_no_links(folder, below=out)
    return folders


def _name(text: str) -> str:
    """As the name of a folder: no separator, no variant, nothing hidden."""
    return re.sub(r"[^A-Za-z0-9_.+=-]+", "-", text).strip(".-") or "unnamed"


def write(found: Imported, folder: Path, command: str) -> None:
    """The evaluation folder; one that holds this very log already is left as it is. UserError where another stands."""
    lines = [record.to_json() for record in found.records]
    digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    rules = found.rules.of_model(found.model)
    identity: JsonObject = {**rules.to_json(), "responses_sha256": digest}
    if RunFolder.look(folder, RunKind.EVALUATION, identity) is not None:
        return
    with RunFolder.open(folder, RunKind.EVALUATION, identity) as run:
        disk.write_json_atomic(run.path / EXPECTED, {"responses": len(lines)})
        run.append(RESPONSES, lines[len(responses_on_disk(run.path)) :])  # a try before may have been stopped
        content = {
            "protocol": rules.to_json(),
            "log": found.as_logged.to_json(),
            **source_of_lengths(record.length_source for record in found.records),
            **counts(found.records, None),
            "command": command,
            "summary": summarise(found.records, rules).to_json(),
        }
        disk.write_json_atomic(run.path / SUMMARY, content)
        run.mark_done({"responses": len(lines)})
