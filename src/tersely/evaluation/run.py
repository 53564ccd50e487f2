"""`tersely evaluate`: sample, judge and count one model under one protocol; a finished response is never redone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tersely.analysis.summary import summarise
from tersely.config import Engine, SamplingConfig
from tersely.display import Display
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import EXPECTED, RESPONSES, SUMMARY, read_responses
from tersely.evaluation.thinking import ThinkingCounter
from tersely.models.device import pick_device, pick_dtype
from tersely.models.digest import weights_digest
from tersely.models.environment import environment
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.memory import rows_said
from tersely.models.save import read_trained_for
from tersely.records import EvalRecord, Finish, Problem, Rollout, Status, Verdict
from tersely.rollouts import begin_on_rollouts, judge_rollouts
from tersely.runs import disk
from tersely.runs.folder import RunFolder, is_run_folder
from tersely.runs.kinds import RunKind
from tersely.samplers import Prompt, Sampling
from tersely.samplers.engines import engine_for, make_sampler
from tersely.stop import Stopped, StopRequest
from tersely.tasks import load_task, task_digest
from tersely.tasks.instructions import parse_instruction, require_readable
from tersely.tasks.overlap import refuse_trained_on
from tersely.tasks.prompts import render, require_room
from tersely.verify import Judge

MAX_ROWS = 256
"""Responses decoded at once; after each such block the finished ones are on disk."""

BLOCK = {"transformers": 1, "vllm": 4}
"""Blocks of ``max_rows`` responses asked for at once, by engine: vLLM starts the next response where one ends, so
that fewer, larger blocks leave it fewer tails."""

ENGINE_MEMORY = 0.9
"""Share of the GPU's memory for vLLM: nothing is trained beside it."""


def evaluation_folder(model: Path, name: str, out: Path | None, kind: str = "evaluation") -> Path:
    """Where evaluation ``name`` goes: ``out``, or beneath the run folder; never into other people's folders, nor
    through a link in one that was named (UserError)."""
    if out is None and not is_run_folder(model):
        raise UserError(
            f"{model} is not a run folder of tersely, so nothing is written there: say where with --out DIR"
        )
    folder = model / kind / name if out is None else out / name
    disk.require_no_links(folder, below=model if out is None else out)
    return folder


def evaluate(
    model_path: Path,
    protocol: EvalProtocol,
    out: Path | None,
    display: Display,
    *,
    command: str,
    other_template: bool = False,
    allow_overlap: bool = False,
    threads: int = 0,
    workers: int = 2,
    engine: Engine = "auto",
    max_rows: int = MAX_ROWS,
    source: str | None = None,
    checkpoint: Path | None = None,
) -> Path:
    """Evaluate one model; returns the evaluation folder with responses.jsonl and summary.json.

    ``source`` is where the problems come from, where the task of the protocol is only its name in a suite;
    ``checkpoint`` is the checkpoint of the run folder to evaluate instead of its newest.
    Raises UserError where the model, the task or the folder cannot be used, Stopped after a stop was asked for.
    """
    if threads:
        torch.set_num_threads(threads)
    if max_rows < 1:
        raise UserError(f"max_rows is {max_rows}: at least one response must be decoded at once")
    engine = engine_for(engine, pick_device("auto").type)
    folder = evaluation_folder(model_path, protocol.name, out)
    weights = locate_model(str(checkpoint or model_path))
    template = pick_template(weights, protocol.template, other_template)
    sentence = _sentence(protocol, weights)
    with Judge(workers=workers) as judge:
        problems = load_task(source or protocol.task, "held_out", protocol.size, judge.check_golds)
        refuse_trained_on(model_path, problems, allow_overlap)
        facts = protocol.facts(template, task_digest(problems))
        weights_sha256 = _digest(weights, _stamp(weights))
        wanted = {**identity(facts), "weights_sha256": weights_sha256}
        if engine != "transformers":
            # Not among the facts: models sampled by different engines are compared, but one folder is of one engine.
            wanted["engine"] = engine
        with RunFolder.open(folder, RunKind.EVALUATION, wanted) as run:
            if run.done is not None:
                display.note(f"{folder} is finished already: nothing to do")
                return folder
            disk.write_json_atomic(folder / EXPECTED, {"responses": len(problems) * protocol.k})
            with rows_said(max_rows, "--max-rows "):
                _respond(weights, problems, protocol, template, sentence, judge, run, display, engine, max_rows)
            made = {"data": source or protocol.task, "weights_sha256": weights_sha256, "engine": engine}
            _finish(run, {**facts, "model": str(model_path)}, {**made, "command": command})
    return folder


def _finish(run: RunFolder, facts: dict[str, Any], made: dict[str, Any]) -> None:
    """The summary of all responses, with what they were made with; written last, so that its being there means done."""
    records = read_responses(run.path)
    content = {"protocol": facts, **made, "versions": environment(), "summary": summarise(records, facts)}
    disk.write_json_atomic(run.path / SUMMARY, content)
    run.mark_done({"responses": len(records)})


def _stamp(weights: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the weight files."""
    found = [(path.name, path.stat()) for path in sorted(weights.glob("*.safetensors"))]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


@lru_cache(maxsize=16)
def _digest(weights: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    """``weights_digest``, read once for all sets of a suite while the files stay as they are."""
    return weights_digest(weights)


def pick_template(weights: Path, asked: str | None, other_template: bool) -> str:
    """The template to evaluate under: the one trained with, unless another is asked for and meant."""
    trained: str | None = read_trained_for(weights).get("template")
    if asked is None:
        return trained or "boxed"
    if trained is not None and asked != trained and not other_template:
        raise UserError(
            f"the model was trained with the template {trained!r}, not {asked!r}: leave --template out, "
            "or add --other-template if that is what you want to measure"
        )
    return asked


def _sentence(protocol: EvalProtocol, weights: Path) -> str | None:
    """The instruction's sentence, once it is known that the model's tokenizer can write it."""
    if protocol.instruction is None:
        return None
    instruction = parse_instruction(protocol.instruction)
    require_readable(instruction, load_tokenizer(weights))
    return instruction.text


def _respond(
    weights: Path,
    problems: Sequence[Problem],
    protocol: EvalProtocol,
    template: str,
    sentence: str | None,
    judge: Judge,
    run: RunFolder,
    display: Display,
    engine: Engine,
    max_rows: int,
) -> None:
    """Sample and judge what is missing, block by block."""
    path = run.path / f"{RESPONSES}.jsonl"
    done = read_responses(run.path, allow_torn=True) if path.is_file() else []
    have = {(r.problem_id, r.sample) for r in done}
    counts = Counter(problem_id for problem_id, _ in have)
    todo = [p for p in problems if counts[p.id] < protocol.k]
    if not todo:
        return
    tokenizer = load_tokenizer(weights)
    model = load_for(weights, engine)
    check_vocabulary(model, tokenizer)
    rendered = {p.id: render(p, tokenizer, template, sentence) for p in todo}
    positions = getattr(model.config, "max_position_embeddings", None)
    own_suite = "a suite of your own, --suite FILE.toml, with max_new_tokens = "
    setting = own_suite if protocol.suite else "--max-new-tokens "
    require_room(rendered.values(), protocol.max_new_tokens, positions, setting)
    settings = SamplingConfig(
        engine=engine, max_new_tokens=protocol.max_new_tokens, max_rows=max_rows, engine_memory=ENGINE_MEMORY
    )
    sampler = make_sampler(settings, model, tokenizer, weights, model.dtype, max(map(len, rendered.values())))
    sampling = Sampling(
        n=protocol.k,
        max_new_tokens=protocol.max_new_tokens,
        temperature=protocol.temperature,
        top_p=protocol.top_p,
        seed=protocol.sampling_seed,
    )
    thinking = ThinkingCounter(tokenizer)
    total, size = len(problems) * protocol.k, max(1, BLOCK[engine] * max_rows // protocol.k)
    finished = len(have)
    with StopRequest() as stop:
        for start in range(0, len(todo), size):
            block = todo[start : start + size]
            prompts = [Prompt(p.id, rendered[p.id]) for p in block]
            rollouts = sampler.generate(
                prompts, sampling, lambda d, t: display.phase("sampling", d, t), begin_on_rollouts(judge, block)
            )
            records = _judged(judge, block, rollouts, protocol.k, thinking)
            fresh = [asdict(r) for r in records if (r.problem_id, r.sample) not in have]
            run.append(RESPONSES, fresh)
            finished += len(fresh)
            display.step(finished, total, {})
            if stop.requested and start + size < len(todo):
                raise Stopped(stop.requested, f"{finished} of {total} responses are saved in {run.path}")
    sampler.close()


def load_for(weights: Path, engine: Engine) -> Any:
    """The model in the dtype of this machine; where vLLM holds the copy that samples, ours stays in main memory."""
    device = pick_device("auto")
    own = torch.device("cpu") if engine == "vllm" else device
    return load_model(weights, own, pick_dtype("auto", device))


def _judged(
    judge: Judge, problems: Sequence[Problem], rollouts: Sequence[Rollout], k: int, thinking: ThinkingCounter
) -> list[EvalRecord]:
    pairs = [(problems[i // k], rollout) for i, rollout in enumerate(rollouts)]
    verdicts = judge_rollouts(judge, pairs)
    spent = [thinking.count(r.prompt_tokens, r.tokens, r.text) for r in rollouts]
    return [_eval_record(p, r, v, n) for (p, r), v, n in zip(pairs, verdicts, spent, strict=True)]


def _eval_record(problem: Problem, rollout: Rollout, verdict: Verdict, thinking: int) -> EvalRecord:
    return EvalRecord(
        problem_id=problem.id,
        question=problem.question,
        answer=problem.gold,
        difficulty=problem.difficulty,
        sample=rollout.index,
        status=verdict.status,
        correct=verdict.status is Status.CORRECT and rollout.finish is Finish.EOS,
        tokens=rollout.length,
        finish=rollout.finish,
        extracted=verdict.extracted,
        text=rollout.text,
        thinking_tokens=thinking,
    )
