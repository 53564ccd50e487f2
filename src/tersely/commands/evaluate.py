"""`tersely evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.as_trained import Terms, terms_of
from tersely.commands.decoding import add_decoding, decodings_of
from tersely.commands.endpoint import add_endpoint, endpoint_of, place_for, points_of, price_of, print_points
from tersely.commands.mix import add_mix, mixtures_of, require_unknown_to
from tersely.commands.verb import (
    add_engine,
    add_engine_options,
    add_verb,
    add_verifier,
    command_line,
    engine_options,
    engine_point,
    kept_checkpoints,
    label,
)
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.evaluation.protocol import EvalProtocol
    from tersely.evaluation.work import Work
    from tersely.learn.parallel import World
    from tersely.rollouts import Grader
    from tersely.samplers.endpoint import Endpoint


DEFAULTS: dict[str, Any] = {"task": "arithmetic", "size": None, "k": 1, "temperature": 0.6, "top_p": 1.0}
"""What a suite says instead; the cap too, whose default is what the model was trained with."""


OUT = "folder for the evaluations (needed for foreign models; run folders beside them keep their own)"


def add_evaluate(verbs: Any) -> None:
    p = add_verb(
        verbs, "evaluate", run_evaluate, "measure accuracy and tokens with intervals; the first model is the base"
    )
    p.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="run folder or model folder")
    add_mix(p)
    p.add_argument(
        "--task",
        default=None,
        help="an embedded task such as arithmetic, a named task, or a JSONL file (default arithmetic)",
    )
    p.add_argument("--size", type=int, default=None, help="problems (default: all of a file, 600 of the embedded task)")
    p.add_argument("--k", type=int, default=None, help="responses a problem (default 1)")
    p.add_argument("--temperature", type=float, default=None, help="default 0.6, the paper's")
    p.add_argument("--top-p", type=float, default=None, help="default 1, the paper's")
    p.add_argument("--max-new-tokens", type=int, default=None, help="default: what the models were trained with")
    p.add_argument("--suite", default=None, help="several sets by one protocol: paper, model-card, embedded, FILE.toml")
    p.add_argument("--sets", default=None, metavar="NAME,..", help="only these sets of the suite")
    p.add_argument("--data", action="append", default=[], metavar="NAME=FILE", help="a set from a JSONL file")
    p.add_argument("--data-dir", type=Path, default=None, metavar="DIR", help="every set from DIR/NAME.jsonl")
    p.add_argument("--all-checkpoints", action="store_true", help="every kept checkpoint of each run, for curves")
    p.add_argument("--repeat", action="store_true", help="the first model once more with another seed: the noise floor")
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument("--template", default=None, help="default: what the model was trained with")
    p.add_argument(
        "--instruction",
        default=None,
        metavar="NAME",
        help="ask for brevity: limit:512, length:512, tale:512, concise, or paper-limit:512, the paper's own prompt",
    )
    p.add_argument("--effort", default=None, metavar="LEVEL,..", help="of models trained for levels (default: all)")
    p.add_argument("--other-template", action="store_true", help="allow another template than trained with")
    add_verifier(p)
    p.add_argument("--policy", choices=["published"], help="count as papers do (docs/verify.md); off by default")
    p.add_argument("--allow-overlap", action="store_true", help="allow problems that the model was trained on")
    p.add_argument("--out", type=Path, default=None, help=OUT)
    p.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    add_engine(p)
    add_engine_options(p)
    add_decoding(p)
    add_endpoint(p, points=True)
    p.add_argument("--price", default=None, metavar="IN,OUT", help="of a million tokens: the requests in money too")


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation to make."""

    model: Path | Endpoint
    row: str
    """Its line in a table."""
    source: str | None
    protocol: EvalProtocol
    checkpoint: Path | None = None
    shown: bool = True
    """A repetition has no line of its own."""
    other_template: bool = False
    """Asked otherwise than it was trained."""


def run_evaluate(args: argparse.Namespace) -> int:
    from tersely.evaluation.run import WORKERS
    from tersely.evaluation.table import print_suite, print_table
    from tersely.learn.parallel import World
    from tersely.rollouts import judge_for
    from tersely.tune.mixing import made_mixes

    served = endpoint_of(args, [*args.models, *(Path(first) for first, *_ in args.mix)])
    price = price_of(args)
    mixtures = mixtures_of(args) if served is None else []
    found: dict[str, dict[str, Path]] = {}
    judging = judge_for(None, WORKERS, args.verifier, args.policy)
    with World.joined() as world, made_mixes(mixtures, args.keep) as mixes, judging as judge:
        with world.collective_errors():
            if mixtures and world.size > 1:
                raise UserError("mixes are made by one process: evaluate them without torchrun")
            args.models = [*args.models, *mixes]
            jobs = list(_jobs(args) if served is None else _served_jobs(args, served))
            _require_one_cap(jobs)
            # All of them looked at before the first is sampled.
            works = [_prepare(args, job, judge, world) for job in jobs]
            _require_one_protocol(jobs, works)
            require_unknown_to(mixtures, works, args.allow_overlap)
        for job, work in zip(jobs, works, strict=True):
            folder = _measure(job, work)
            if job.shown:
                found.setdefault(job.row, {})[job.protocol.task] = folder
    if not world.is_main:
        return 0
    if args.suite is not None:
        print_suite(list(found.items()))
    else:
        print_table([(row, folder) for row, sets in found.items() for folder in sets.values()])
    if served is not None:
        print_points(found, served.label, price)
    if args.all_checkpoints:
        say("a run keeps the weights of every checkpoint, one every run.checkpoint_every steps (default 10)")
    return 0


def _served_jobs(args: argparse.Namespace, served: Endpoint) -> Iterator[Job]:
    """The model as it is served, then under each request, on every set."""
    from tersely.evaluation.protocol import CAP

    cap = CAP if args.max_new_tokens is None else args.max_new_tokens
    decodings_of(args)  # a server takes none
    _require_settings(args)
    for name, row, model in points_of(args, served):
        for source, protocol in _protocols(args, cap, args.template):
            yield Job(model, row, source, replace(protocol, request=name))
            if args.repeat and name is None:
                yield Job(model, row, source, replace(protocol, repeat=1), shown=False)


def _jobs(args: argparse.Namespace) -> Iterator[Job]:
    """Everything to evaluate, model by model; whatever cannot work is refused before the first begins."""
    _require_settings(args)
    _protocols(args, 1, None)  # a suite that cannot be read is refused before any model is looked at
    labels = [label(model) for model in args.models]
    terms, decodings = terms_of(args), decodings_of(args)
    for place, (model, of_it) in enumerate(zip(args.models, terms, strict=True)):
        name = label(model) if labels.count(label(model)) == 1 else str(model)
        asked = _asked(args, of_it, name)
        for decoding, (source, protocol, row) in product(decodings, asked):
            if decoding is not None:
                protocol, row = replace(protocol, decoding=decoding), f"{row} {decoding.spec}"
            if not args.all_checkpoints:
                yield Job(model, row, source, protocol, other_template=of_it.of_others)
            else:
                for step, checkpoint in kept_checkpoints(model):
                    yield Job(model, f"{row} step {step}", source, replace(protocol, step=step), checkpoint)
            if args.repeat and place == 0 and decoding is None:
                yield Job(model, row, source, replace(protocol, repeat=1), shown=False, other_template=of_it.of_others)


def _asked(args: argparse.Namespace, terms: Terms, name: str) -> Iterator[tuple[str | None, EvalProtocol, str]]:
    """(where the problems come from, protocol, line in a table) of everything a model is asked: every set, by every
    level of effort that it was trained for."""
    for source, protocol in _protocols(args, terms.cap, terms.template):
        if not terms.efforts:
            yield source, protocol, name
        for level in terms.efforts:
            yield source, replace(protocol, effort=level), f"{name} effort {level}"


def _require_settings(args: argparse.Namespace) -> None:
    """UserError for settings that contradict one another."""
    if args.suite is None:
        for name in ("sets", "data", "data_dir"):
            if getattr(args, name):
                raise UserError(f"--{name.replace('_', '-')} belongs to a suite: add --suite NAME, or use --task FILE")
    else:
        given = [name for name in (*DEFAULTS, "max_new_tokens") if getattr(args, name) is not None]
        if given:
            raise UserError(
                f"--{given[0].replace('_', '-')} would be another protocol than the suite's: leave it out, or write a "
                "suite of your own as a TOML file"
            )
    if args.repeat and args.all_checkpoints:
        raise UserError("--repeat and --all-checkpoints do not go together: repeat the base in a command of its own")
    labels = [label(model) for model in args.models]
    if args.out is not None and len(set(labels)) < len(labels):
        raise UserError(f"two models would write to the same folder of {args.out}: give each a name of its own")


def _require_one_cap(jobs: Sequence[Job]) -> None:
    """UserError where the models' own caps differ: lengths under different caps do not belong in one table."""
    caps = {job.row: job.protocol.max_new_tokens for job in jobs}
    if len(set(caps.values())) > 1:
        listed = ", ".join(f"{row} {cap}" for row, cap in caps.items())
        raise UserError(f"the models were trained with different caps ({listed}): give one for all, --max-new-tokens N")


def _require_one_protocol(jobs: Sequence[Job], works: Sequence[Work]) -> None:
    """UserError where two models would be measured differently on one set: they could not be compared afterwards."""
    from tersely.analysis.facts import MEASURED

    first: dict[str, tuple[Job, Work]] = {}
    for job, work in zip(jobs, works, strict=True):
        other, alike = first.setdefault(job.protocol.task, (job, work))
        differing = alike.rules.differing(work.rules, MEASURED | {"seed", "repeat"})
        if differing:
            key = differing[0]
            raise UserError(
                f"{job.row} would be measured under another {key} on {job.protocol.task} ({work.rules.value(key)!r}) "
                f"than {other.row} ({alike.rules.value(key)!r}), and the two could not be compared: evaluate them in "
                "commands of their own"
            )


def _protocols(args: argparse.Namespace, cap: int, template: str | None) -> list[tuple[str | None, EvalProtocol]]:
    """(where the problems come from, protocol) of every set to evaluate."""
    from tersely.evaluation.protocol import EvalProtocol
    from tersely.evaluation.suites import suite_sets

    shared = {"seed": args.seed, "template": template, "instruction": args.instruction}
    if (asked := engine_point(args)) is not None:
        shared["request"] = asked
    if args.suite is not None:
        sets = suite_sets(args.suite, args.data, args.data_dir, args.sets, **shared)
        return [(one.source, one.protocol) for one in sets]
    given = {name: getattr(args, name) for name in DEFAULTS}
    rules = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    return [(None, EvalProtocol(max_new_tokens=cap, **rules, **shared))]


def _prepare(args: argparse.Namespace, job: Job, judge: Grader, world: World) -> Work:
    from tersely.evaluation.work import prepare

    return prepare(
        job.model,
        job.protocol,
        place_for(job.model, args.models, args.out),
        judge,
        command=command_line(),
        other_template=args.other_template or job.other_template,
        other_verifier=args.other_verifier,
        drop_unjudgeable=args.drop_unjudgeable,
        policy=args.policy,
        allow_overlap=args.allow_overlap,
        threads=args.threads,
        engine=args.engine,
        engine_options=engine_options(args),
        max_rows=args.max_rows,
        source=job.source,
        checkpoint=job.checkpoint,
        world=world,
    )


def _measure(job: Job, work: Work) -> Path:
    from tersely.display import make_display
    from tersely.evaluation.run import measure

    title = " ".join(["evaluate", job.row, *([job.protocol.name] if job.protocol.suite else [])])
    with make_display(title) as display:
        return measure(work, display)
