"""From run folders to contenders: which runs are seeds of one setting, what each is called, which base it meets.

Numbers are averaged only over seeds of one setting under one protocol. What was measured under another protocol is
refused, or with ``allow_mixed`` marked and compared with nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tersely.analysis import ProtocolFacts, compare_paired
from tersely.analysis.facts import MEASURED
from tersely.analysis.noise import NoiseFloor, noise_floor
from tersely.analysis.paired import covers, shared
from tersely.errors import UserError
from tersely.evaluation.protocol import VARIANT
from tersely.evaluation.records import Evaluation
from tersely.page.cutoffs import cutoff_contenders
from tersely.page.read import read_finished, root_of
from tersely.page.records import Checkpoints, Comparison, Contender, Entry, Result, Role, Run, Who, parse_name
from tersely.page.settings import describe, learning_rate
from tersely.records import EvalRecord

_FREE = MEASURED | {"repeat"}
"""Facts of a protocol that may differ between what is compared: they name what was measured."""
CURVE = "checkpoints of "
Rules = Mapping[str, tuple[str, ProtocolFacts]]
"""Data set -> (whose it is, protocol that all others must share)."""


@dataclass(frozen=True, slots=True)
class _Line(Who):
    """One run, named and paired."""

    run: Run
    base: Run | None


def collect(
    paths: Sequence[Path], base: Path | None = None, allow_mixed: bool = False, variants: bool = True
) -> Comparison:
    """Read everything and put it in order. A UserError names what is missing, differs or stands twice.

    ``variants``: with cutoffs and evaluations of checkpoints and under instructions, not of the models as they are
    alone.
    """
    runs = [read_finished(path, variants) for path in dict.fromkeys(path.resolve() for path in paths)]
    roots, given = _roots(runs, base, variants)
    bases = list({root.path.resolve(): root for root in roots.values()}.values())
    trained = [run for path, run in given.items() if path not in {root.path.resolve() for root in bases}]
    rules = _rules([*bases, *trained])
    lines = [_Line("base", Role.BASE, "base", None, _mark(b, rules, allow_mixed), b, None) for b in bases]
    named = describe(trained)
    for run in trained:
        root = roots.get(run.path.resolve())
        role, series, label = named[run.path]
        lines.append(_Line(label, role, series, run.alpha, _mark(run, rules, allow_mixed, root), run, root))
    contenders = _contenders(lines)
    datasets = _datasets(contenders)
    extra = cutoff_contenders(contenders[0]) if bases and variants else []
    ordered = sorted([*contenders, *extra], key=lambda c: list(Role).index(c.role))
    return Comparison(tuple(ordered), _checkpoints(lines), _noise(bases, datasets), datasets)


def _roots(runs: Sequence[Run], base: Path | None, variants: bool) -> tuple[dict[Path, Run], dict[Path, Run]]:
    """(run path -> base, path -> run of everything that is compared). A lone foreign model is the base."""
    given = {run.path.resolve(): run for run in runs}
    if base is not None:
        root = given.setdefault(base.resolve(), read_finished(base, variants))
        return dict.fromkeys(given, root), given
    roots: dict[Path, Run] = {path: run for path, run in given.items() if run.kind == "base"}
    known = dict(given)
    for path, run in given.items():
        found = root_of(run, known, variants) if run.kind not in ("base", "model") else None
        if found is not None:
            roots[path] = found
    foreign = [run for run in given.values() if run.kind == "model"]
    if not roots and len(foreign) == 1:
        return dict.fromkeys(given, foreign[0]), given
    if not roots and foreign:
        names = ", ".join(run.name for run in foreign)
        raise UserError(f"which of {names} is the base cannot be told from the runs: name it with --base DIR")
    only = {root.path: root for root in roots.values()}
    if len(only) == 1:
        return {path: roots.get(path, next(iter(only.values()))) for path in given}, given
    return roots, given


def _rules(runs: Sequence[Run]) -> Rules:
    """The first base's, or the first run's. Under ``CURVE`` + data set stands the first evaluated checkpoint's."""
    rules: dict[str, tuple[str, ProtocolFacts]] = {}
    for run in runs:
        for folder, evaluation in run.evaluations.items():
            name = parse_name(folder)
            if folder == name.dataset or name.step is not None:
                place = name.dataset if name.step is None else CURVE + name.dataset
                rules.setdefault(place, (run.name, evaluation.protocol))
    return rules


def _rule(rules: Rules, run: Run, folder: str, base: Run | None) -> tuple[str, ProtocolFacts]:
    """What this evaluation must share: checkpoints may all be asked fewer of the problems that the base was asked."""
    name = parse_name(folder)
    owner, wanted = rules[name.dataset]
    whole = None if base is None else base.evaluations.get(name.dataset)
    if name.step is None or whole is None or not covers(whole.responses(), run.evaluations[folder].responses()):
        return owner, wanted
    first, curve = rules[CURVE + name.dataset]
    return first, replace(wanted, size=curve.size, k=curve.k, task_sha256=curve.task_sha256)


def _mark(run: Run, rules: Rules, allow_mixed: bool, base: Run | None = None) -> str:
    """In words how the protocol of any of the run's evaluations differs; refused unless ``allow_mixed``."""
    found: dict[str, None] = {}
    for folder, evaluation in run.evaluations.items():
        name = parse_name(folder)
        if name.dataset not in rules:
            continue
        owner, wanted = _rule(rules, run, folder, base)
        for key in wanted.differing(evaluation.protocol, _FREE | ({"seed"} if name.is_repeat else set())):
            here, there = evaluation.protocol.value(key), wanted.value(key)
            if not allow_mixed:
                raise UserError(
                    f"{run.path} was evaluated under another {key} on {folder} ({here!r}) than {owner} ({there!r}): "
                    "evaluate both alike, or give --allow-mixed, which shows it marked and compares it with nothing"
                )
            found["other problems" if key == "task_sha256" else f"{key} {here}"] = None
    return ", ".join(found)


def _contenders(lines: Sequence[_Line]) -> list[Contender]:
    """Plain evaluations of every setting, then the same models under instructions."""
    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault((line.label, line.mark), []).append(line)
    found = []
    for members in sorted(groups.values(), key=lambda m: _order(m[0])):
        _refuse_twins(members)
        found.append(_contender(members))
    for members in groups.values():
        found += _prompted(members)
    return sorted((c for c in found if c.entries), key=lambda c: c.role is not Role.BASE)


def _contender(members: Sequence[_Line], step: int | None = None, wanted: str = "") -> Contender:
    first = members[0]
    who = replace(first, label=f"{first.label} ‡ {first.mark}" if first.mark else first.label).who
    entries: dict[str, Entry] = {}
    ordered = sorted(members, key=lambda line: (line.run.seed is None, line.run.seed or 0))
    for line in ordered:
        for folder, evaluation in line.run.evaluations.items():
            name = parse_name(folder)
            if name.step == step and name.variant == wanted:
                result = _result(line, name.dataset, evaluation, part=step is not None)
                old = entries.get(name.dataset, Entry(*who, ()))
                entries[name.dataset] = replace(old, results=(*old.results, result))
    return Contender(*who, entries, tuple(line.run for line in ordered))


def _prompted(members: Sequence[_Line]) -> list[Contender]:
    """One contender for every instruction that the members were evaluated under."""
    found = [pair for line in members for pair in line.run.evaluations.items()]
    names = {parse_name(folder) for folder, evaluation in found if evaluation.protocol.instruction}
    asked = sorted({n.variant for n in names if n.variant and n.step is None and not n.is_repeat}, key=_natural)
    made = []
    for variant in asked:
        first = members[0]
        label = variant if first.role is Role.BASE else f"{first.label} + {variant}"
        series = variant.rstrip("0123456789").rstrip("-:")
        lines = [
            replace(line, label=label, role=Role.PROMPTED, series=series, alpha=None,
                    base=line.base or (line.run if line.role is Role.BASE else None))
            for line in members
        ]  # fmt: skip
        made.append(_contender(lines, wanted=variant))
    return made


def _order(line: _Line) -> tuple[bool, float, str, float, str]:
    """The family by alpha, other methods by name and learning rate."""
    rate = learning_rate(line.run) or 0.0 if line.role is Role.BASELINE else 0.0
    return line.alpha is not None, line.alpha or 0.0, line.series, rate, line.label


def _natural(text: str) -> tuple[str, int]:
    stem = text.rstrip("0123456789")
    return stem, int(text[len(stem) :] or 0)


def _result(line: _Line, dataset: str, evaluation: Evaluation, part: bool = False) -> Result:
    """``part``: the base may have answered more than this, and is read on the same responses alone."""
    other = None if line.base is None else line.base.evaluations.get(dataset)
    if line.base is None or other is None or line.mark:
        return Result(line.run, evaluation, None)
    try:
        records = shared(other.responses(), evaluation.responses()) if part else other.responses()
        versus = compare_paired(records, evaluation.responses())
    except UserError as error:
        raise UserError(f"{line.run.path} cannot be compared with its base on {dataset}: {error}") from error
    return Result(line.run, evaluation, versus, line.base.path)


def _refuse_twins(members: Sequence[_Line]) -> None:
    """Two runs of one setting and seed from one base are no independent evidence."""
    seen: dict[tuple[int | None, Path | None], Run] = {}
    for line in members:
        key = (line.run.seed, line.base.path if line.base else None)
        if key in seen and line.role not in (Role.BASE, Role.OTHER):
            raise UserError(
                f"{line.run.path} and {seen[key].path} are both {line.label} with seed {line.run.seed} from one base: "
                "give one of them"
            )
        seen[key] = line.run


def _datasets(contenders: Sequence[Contender]) -> tuple[str, ...]:
    """Data sets of the base that anything else was evaluated on (all of them where there is no base)."""
    first, rest = contenders[0], contenders[1:]
    common: Iterable[str] = first.entries
    if rest and first.role is Role.BASE:
        common = [d for d in first.entries if any(d in c.entries for c in rest)]
        lonely = [c for c in rest if not set(c.entries) & set(first.entries)]
        if lonely:
            raise UserError(
                f"{lonely[0].label} shares no evaluation with the base ({', '.join(lonely[0].entries)}; the base: "
                f"{', '.join(first.entries)}): evaluate both on the same task"
            )
    return tuple(sorted(common))


def _checkpoints(lines: Sequence[_Line]) -> tuple[Checkpoints, ...]:
    """Of every setting the steps that all of its seeds were measured at: one seed's checkpoint is no point of a line
    that ends in the mean of three."""
    groups: dict[str, list[_Line]] = {}
    for line in lines:
        if line.run.kind == "train" and not line.mark:
            groups.setdefault(line.label, []).append(line)
    found = []
    for members in sorted(groups.values(), key=lambda m: (m[0].alpha or 0.0, m[0].label)):
        steps = sorted(set.intersection(*map(_steps_measured, members)))
        made = {step: _contender(members, step=step).entries for step in steps}
        if made:
            found.append(Checkpoints(members[0].label, tuple(m.run for m in members), made))
    return tuple(found)


def _steps_measured(line: _Line) -> set[int]:
    names = map(parse_name, line.run.evaluations)
    return {name.step for name in names if name.step is not None and not name.variant}


def _noise(bases: Sequence[Run], datasets: Sequence[str]) -> dict[str, tuple[NoiseFloor, ...]]:
    floors: dict[str, tuple[NoiseFloor, ...]] = {}
    for dataset in datasets:
        for base in (b for b in bases if dataset in b.evaluations):
            found = noise_floor(base.evaluations[dataset].responses(), _repetition(base, dataset))
            if found is not None:
                floors[dataset] = (*floors.get(dataset, ()), found)
    return floors


def _repetition(base: Run, dataset: str) -> Sequence[EvalRecord] | None:
    """The base's second measurement, if it is one: as it is, and under the same protocol but for the seed."""
    wanted = base.evaluations[dataset].protocol
    for folder, evaluation in base.evaluations.items():
        name = parse_name(folder)
        plain = name.dataset == dataset and name.step is None and name.is_repeat and VARIANT not in name.variant
        if plain and not wanted.differing(evaluation.protocol, {*_FREE, "seed"}):
            return evaluation.responses()
    return None
