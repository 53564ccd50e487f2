"""From run folders to contenders: which runs are seeds of one setting, what each is called, which base it meets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tersely.analysis import ProtocolFacts, compare_paired, cut, summarise
from tersely.analysis.cutoff import cutoff_limits
from tersely.analysis.facts import MEASURED
from tersely.analysis.noise import NoiseFloor, noise_floor
from tersely.analysis.paired import covers, shared
from tersely.errors import UserError
from tersely.evaluation.protocol import EFFORT, VARIANT, parse_name
from tersely.evaluation.records import Evaluation
from tersely.evaluation.runs import Run, read_finished, root_of
from tersely.page.records import Comparison, Contender, Entry, Result, Role, Who
from tersely.page.settings import describe

_FREE = MEASURED | {"repeat"}
"""Facts of a protocol that may differ between what is compared: they name what was measured."""
Rules = Mapping[tuple[str, bool], tuple[str, ProtocolFacts]]
"""(data set, whether of checkpoints) -> (whose it is, protocol that all others must share)."""


@dataclass(frozen=True, slots=True)
class _Line(Who):
    """One run, named and paired."""

    run: Run
    base: Run | None


def collect(
    paths: Sequence[Path], base: Path | None = None, allow_mixed: bool = False, variants: bool = True
) -> Comparison:
    """Read everything and put it in order. A UserError names what is missing, differs or stands twice.

    ``variants``: with cutoffs, and with evaluations of checkpoints and under instructions.
    """
    runs = [read_finished(path, variants) for path in dict.fromkeys(path.resolve() for path in paths)]
    roots, given = _roots(runs, base, variants)
    bases = list({root.path.resolve(): root for root in roots.values()}.values())
    trained = [run for path, run in given.items() if path not in {root.path.resolve() for root in bases}]
    rules = _rules([*bases, *trained])
    lines = [_Line("base", Role.BASE, "base", None, _mark(run, rules, allow_mixed), run, None) for run in bases]
    for path, (role, series, label) in describe(trained).items():
        run, root = given[path.resolve()], roots.get(path.resolve())
        lines.append(_Line(label, role, series, run.alpha, _mark(run, rules, allow_mixed, root), run, root))
    found = _contenders(lines)
    plain = [c for c in found if c.step is None]
    datasets = _datasets(plain)
    extra = _cutoffs(plain[0]) if bases and variants else []
    ordered = sorted([*plain, *extra], key=lambda c: list(Role).index(c.role))
    checkpoints = tuple(c for c in found if c.step is not None)
    return Comparison(tuple(ordered), checkpoints, {d: _floors(bases, d) for d in datasets}, datasets)


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
    only = list({root.path: root for root in roots.values()}.values()) or foreign
    if not roots and len(foreign) > 1:
        names = ", ".join(run.name for run in foreign)
        raise UserError(f"which of {names} is the base cannot be told from the runs: name it with --base DIR")
    if len(only) == 1:
        roots = {path: roots.get(path, only[0]) for path in given}
    return roots, given


def _rules(runs: Sequence[Run]) -> Rules:
    """The first base's, or the first run's; of checkpoints the first that was evaluated."""
    rules: dict[tuple[str, bool], tuple[str, ProtocolFacts]] = {}
    for run in runs:
        for folder, evaluation in run.evaluations.items():
            name = parse_name(folder)
            if folder == name.dataset or name.step is not None or name.effort is not None:
                rules.setdefault((name.dataset, name.step is not None), (run.name, evaluation.protocol))
    return rules


def _mark(run: Run, rules: Rules, allow_mixed: bool, base: Run | None = None) -> str:
    """In words how any evaluation's protocol differs; checkpoints may all be asked fewer of the base's problems."""
    found: dict[str, None] = {}
    for folder, evaluation in run.evaluations.items():
        name = parse_name(folder)
        if (name.dataset, False) not in rules:
            continue
        owner, wanted = rules[name.dataset, False]
        whole = None if base is None else base.evaluations.get(name.dataset)
        if name.step is not None and whole is not None and covers(whole.responses(), evaluation.responses()):
            owner, curve = rules[name.dataset, True]
            wanted = replace(wanted, size=curve.size, k=curve.k, task_sha256=curve.task_sha256)
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
    """Every setting as it is, the same models under instructions, and the checkpoints of what was trained."""
    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault((line.label, line.mark), []).append(line)
    found = []
    # The family by alpha, other methods by name and learning rate.
    places = {key: (one.alpha is not None, one.alpha or 0.0, one.series, one.run.learning_rate or 0.0, one.label)
              for key, (one, *_) in groups.items()}  # fmt: skip
    for _, members in sorted(groups.items(), key=lambda item: places[item[0]]):
        _refuse_twins(members)
        found += [_contender(members, step, variant) for step, variant in _measured(members)]
    return sorted((c for c in found if c.entries), key=lambda c: c.role is not Role.BASE)


def _measured(members: Sequence[_Line]) -> list[tuple[int | None, str]]:
    """(step, variant) of what is a contender of its own: plain, under instructions, and the steps that all seeds were
    measured at (one seed's checkpoint is no point of a line that ends in the mean of three)."""
    asked: dict[tuple[int | None, str], None] = {(None, ""): None}
    steps = []
    for line in members:
        pairs = [(parse_name(folder), evaluation) for folder, evaluation in line.run.evaluations.items()]
        steps.append({name.step for name, _ in pairs if name.step is not None and not name.variant})
        for name, evaluation in sorted(pairs, key=lambda pair: (len(pair[0].variant), pair[0].variant)):
            if name.step is None and evaluation.protocol.is_asked_otherwise and not name.is_repeat:
                asked[None, name.variant] = None
    trained = members[0].run.kind == "train" and not members[0].mark
    return [*asked, *((step, "") for step in sorted(set.intersection(*steps)) if trained)]


def _contender(members: Sequence[_Line], step: int | None, variant: str) -> Contender:
    ordered = sorted(members, key=lambda line: (line.run.seed is None, line.run.seed or 0))
    if variant:
        ordered = [_prompted(line, variant) for line in ordered]
    first = ordered[0]
    who = replace(first, label=f"{first.label} ‡ {first.mark}" if first.mark else first.label).who
    results: dict[str, list[Result]] = {}
    for line in ordered:
        for folder, evaluation in line.run.evaluations.items():
            name = parse_name(folder)
            if (name.step, name.variant) == (step, variant):
                results.setdefault(name.dataset, []).append(_result(line, name.dataset, evaluation, step is not None))
    entries = {dataset: Entry(*who, tuple(each)) for dataset, each in results.items()}
    return Contender(*who, entries, tuple(line.run for line in ordered), step)


def _prompted(line: _Line, variant: str) -> _Line:
    """The same model under an instruction, an option of decoding, or at a level of effort."""
    if line.role is Role.EFFORT and variant.startswith(EFFORT):
        return replace(line, label=f"{line.label} {variant.removeprefix(EFFORT)}")
    label, base = (variant, line.run) if line.role is Role.BASE else (f"{line.label} + {variant}", line.base)
    series = label.rstrip("0123456789.").rstrip("-:")
    return replace(line, label=label, role=Role.PROMPTED, series=series, alpha=None, base=base)


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


def _floors(bases: Sequence[Run], dataset: str) -> tuple[NoiseFloor, ...]:
    """What the bases differ by from themselves, measured twice (alike but for the protocol's seed) or in halves."""
    floors = []
    for evaluations in (base.evaluations for base in bases if dataset in base.evaluations):
        own, again = evaluations[dataset], None
        for folder, other in evaluations.items():
            name = parse_name(folder)
            plain = name.dataset == dataset and name.step is None and name.is_repeat and VARIANT not in name.variant
            if plain and again is None and not own.protocol.differing(other.protocol, {*_FREE, "seed"}):
                again = other.responses()
        floors.append(noise_floor(own.responses(), again))
    return tuple(floor for floor in floors if floor is not None)


def _cutoffs(base: Contender) -> list[Contender]:
    """What smaller caps would have given, from the base's kept responses, on each data set where that can be known."""
    grids = {d: cutoff_limits([r.evaluation.responses() for r in e.results]) for d, e in base.entries.items()}
    found = []
    for limit in sorted({limit for grid in grids.values() for limit in grid}):
        who = (f"cutoff {limit}", Role.CUTOFF, "cutoff", None, "")
        known = {dataset: entry.results for dataset, entry in base.entries.items() if limit in grids[dataset]}
        entries = {dataset: Entry(*who, tuple(_cut(r, limit) for r in results)) for dataset, results in known.items()}
        found.append(Contender(*who, entries, base.runs))
    return found


def _cut(result: Result, limit: int) -> Result:
    old = result.evaluation
    records = tuple(cut(old.responses(), limit))
    summary = summarise(records, replace(old.protocol, max_new_tokens=limit), phrases={})
    made = replace(old, summary=summary, held=records)
    return Result(result.run, made, compare_paired(old.responses(), records), result.run.path)
