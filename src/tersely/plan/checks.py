"""What would make a training run fail or be wasted, found before its first step. Each finding is one sentence with
a cure; no finding, no sentence. Pure: numbers and dictionaries in, sentences out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tersely.config import LoraConfig, TrainConfig
from tersely.errors import UserError
from tersely.models.folder import quantisation
from tersely.models.positions import Room
from tersely.plan.checkpoints import gb
from tersely.plan.engine import least_bytes
from tersely.plan.lengths import LengthProfile, default_profile
from tersely.plan.memory import Layout, Memory, layout_of, predict_memory
from tersely.plan.shape import SUPPORTED, ModelShape
from tersely.samplers.engines import require_engine
from tersely.tasks.prompts import find_template

TRUNCATION_LIMIT = 0.10
"""Share of truncated responses above which a cap is refused: they all count as wrong, whatever they were about."""

TRUNCATION_GOAL = 0.01
"""Share truncated at the cap that is proposed instead."""

MOST_OF_A_GPU = 0.9
"""Share of a GPU's memory beyond which none is proposed for vLLM: the trainer lies there too."""

LEAST_CAP = 8
"""A cap is lowered to this fraction at most: shorter ones would make another experiment of it."""


def check_plan(
    config: TrainConfig,
    model_config: Mapping[str, Any],
    *,
    lengths: LengthProfile | None = None,
    prompt: int = 0,
    available: float | None = None,
    device: str = "cuda",
    gpus: int = 1,
) -> list[str]:
    """Reasons not to start, each with its cure; empty where nothing is wrong.

    ``model_config`` is the content of config.json, ``prompt`` the tokens of the longest prompt, ``available`` bytes
    of memory for each GPU (None leaves memory unchecked), ``device`` "cuda" or "cpu". Without measured ``lengths``
    truncation is not judged, and the cache is that of the assumed lengths. Memory is checked for the architectures
    that have formulas.
    """
    found = [sentence] if (sentence := quantisation(model_config)) else []
    found += [*_engine(config), *_division(config, gpus), *_optimizer(config, gpus), *_tail(config, gpus)]
    found += _positions(config, model_config, prompt)
    if lengths is not None and lengths.measured:
        found += check_truncation(config, lengths)
    if available is not None and model_config.get("model_type") in SUPPORTED:
        shape = ModelShape.of(model_config)
        setup = Setup(config, layout_of(config, device, gpus))
        found += check_memory(shape, setup, lengths or default_profile(shape.parameters), prompt, available, device)
        found += check_engine_room(shape, setup, prompt, available, device)
    return found


def check_tokenizer(files: Mapping[str, Any], template: str) -> list[str]:
    """Whether responses can end and prompts be rendered. ``files``: name -> content of the folder's JSON files (any
    content for a file that is not JSON), as ``tersely.plan.files.folder_files`` reads them."""
    found = []
    places = (("generation_config.json", "eos_token_id"), ("config.json", "eos_token_id"))
    tokens = (("tokenizer_config.json", "eos_token"), ("special_tokens_map.json", "eos_token"))
    if all(files.get(name, {}).get(key) is None for name, key in (*places, *tokens)):
        found.append(
            "the model has no end-of-sequence token, so no response could ever end: set eos_token in its "
            "tokenizer_config.json or eos_token_id in its generation_config.json"
        )
    has_template = files.get("tokenizer_config.json", {}).get("chat_template") or any(
        name in files for name in ("chat_template.jinja", "chat_template.json")
    )
    if find_template(template).around is None and not has_template:
        found.append(
            f"the tokenizer has no chat template, which the template {template!r} needs: use --template plain, "
            "or add a chat_template to the model folder"
        )
    return found


def _engine(config: TrainConfig) -> Iterator[str]:
    try:
        require_engine(config.sampling.engine)
    except UserError as error:
        yield str(error)


def _division(config: TrainConfig, gpus: int) -> Iterator[str]:
    if config.sampling.prompts < gpus:
        fits = -(-gpus // config.learner.updates) * config.learner.updates
        yield (
            f"sampling.prompts = {config.sampling.prompts} leaves some of {gpus} GPUs without a problem to sample: use "
            f"--set sampling.prompts={fits} at least, or fewer GPUs"
        )


def _optimizer(config: TrainConfig, gpus: int) -> Iterator[str]:
    if gpus > 1 and config.learner.optimizer == "adam8bit":
        yield (
            f"learner.optimizer = adam8bit works in one process, and here are {gpus}, which share the optimizer's "
            "state out among them anyway: use --set learner.optimizer=adam"
        )


def _tail(config: TrainConfig, gpus: int) -> Iterator[str]:
    if gpus > 1 and config.learner.under_the_tail:
        yield (
            f"learner.under_the_tail works in one process, and here are {gpus}, each of which would have to make as "
            "many passes as the others at the same time, while their responses end at different ones: leave it out "
            "(it would save 3 to 4 % of an iteration)"
        )


def _positions(config: TrainConfig, model_config: Mapping[str, Any], prompt: int) -> Iterator[str]:
    cap, setting = config.sampling.max_new_tokens, "--set sampling.max_new_tokens="
    if (sentence := Room.of(model_config).refusal(prompt, cap, setting, config.template)) is not None:
        yield sentence


def check_truncation(config: TrainConfig, lengths: LengthProfile) -> Iterator[str]:
    """One sentence where the cap truncates more than TRUNCATION_LIMIT of these lengths."""
    cap = config.sampling.max_new_tokens
    share = lengths.truncated(cap)
    if share <= TRUNCATION_LIMIT:
        return
    better = lengths.cap_for(TRUNCATION_GOAL) or lengths.cap_for(TRUNCATION_LIMIT)
    cure = (
        f"use --set sampling.max_new_tokens={better} ({lengths.truncated(better):.1%} truncated)"
        if better is not None
        else f"profile the model again under a cap above {lengths.known_to:.0f} to see how long its responses are"
    )
    yield (
        f"sampling.max_new_tokens = {cap} would truncate {share:.1%} of the responses (more than "
        f"{TRUNCATION_LIMIT:.0%}), and truncated ones count as wrong: {cure}"
    )


# ---- memory


@dataclass(frozen=True, slots=True)
class Setup:
    """What a cure may change."""

    config: TrainConfig
    layout: Layout


Change = tuple[str, Callable[[Setup], Setup]]
"""A setting as it is given on the command line, and what it does."""


def check_memory(
    shape: ModelShape, setup: Setup, lengths: LengthProfile, prompt: int, available: float, device: str
) -> list[str]:
    """One sentence where the larger of the two peaks exceeds ``available`` bytes: what to change, and to what."""

    def needs(some: Setup) -> Memory:
        return predict_memory(shape, some.config, some.layout, lengths, prompt, device, available)

    memory = needs(setup)
    if memory.peak <= available:
        return []
    phase = max(("updating", "sampling", "loading"), key=lambda name: float(getattr(memory, name)))
    said = f"memory does not suffice: {phase} needs {gb(memory.peak)} and {gb(available)} are there; "
    changes = _engine_changes(shape, setup, prompt, phase, available, device) + possible_changes(setup, prompt, phase)
    cure = find_cure(setup, changes, lambda some: needs(some).peak <= available)
    if cure is None:
        return [said + "no setting makes it fit: take a smaller model, a GPU with more memory, or more GPUs"]
    words, cured = cure
    return [said + f"use {' and '.join(f'--set {word}' for word in words)} (then {gb(needs(cured).peak)})"]


def _engine_changes(
    shape: ModelShape, setup: Setup, prompt: int, phase: str, available: float, device: str
) -> list[list[Change]]:
    """What vLLM can give up: its sleep while the update runs, or a part of its share that it starts without."""
    if not setup.layout.vllm or device != "cuda":
        return []
    sampling = setup.config.sampling
    if phase == "updating" and not sampling.engine_sleep:
        return [[_set("sampling", "engine_sleep", value=True)]]
    least = least_bytes(shape, setup.config, setup.layout.element, prompt)
    shares = [percent / 100 for percent in range(90, 0, -5)]
    fewer = [share for share in shares if share < sampling.engine_memory and share * available >= least]
    return [[_set("sampling", "engine_memory", share) for share in fewer]] if phase == "sampling" and fewer else []


def check_engine_room(shape: ModelShape, setup: Setup, prompt: int, available: float, device: str) -> Iterator[str]:
    """One sentence where vLLM's share of ``available`` bytes is less than it starts with."""
    if not setup.layout.vllm or device != "cuda":
        return
    share = setup.config.sampling.engine_memory
    least = least_bytes(shape, setup.config, setup.layout.element, prompt)
    if share * available >= least:
        return
    enough = math.ceil(100 * least / available) / 100
    cure = (
        f"use --set sampling.engine_memory={enough:g}"
        if enough < MOST_OF_A_GPU
        else "let several processes decode together (--set sampling.engine_options.tensor_parallel_size=2), or take a "
        "smaller model or a GPU with more memory"
    )
    yield (
        f"sampling.engine_memory = {share:g} leaves vLLM {gb(share * available)}, and its weights, graphs and the "
        f"cache of one response at the cap need {gb(least)}: {cure}"
    )


def possible_changes(setup: Setup, prompt: int, phase: str) -> list[list[Change]]:
    """Settings to change, those that leave the result alone first; for each its values, the mildest first."""
    sampling, learner = setup.config.sampling, setup.config.learner
    rows = [_set("sampling", "max_rows", k * sampling.n) for k in _lower(sampling.max_rows // sampling.n, 1)]
    longest = prompt + sampling.max_new_tokens
    budget = [_set("learner", "token_budget", b) for b in _lower(learner.token_budget, longest)]
    changes = [rows, budget] if phase == "sampling" else [budget, rows]
    if phase == "sampling" and learner.under_the_tail:
        changes.insert(0, [_set("learner", "under_the_tail", value=False)])
    if not setup.layout.checkpointing:
        changes.append([_switch("learner.gradient_checkpointing=true", checkpointing=True)])
    if setup.layout.shard == "zero2":
        changes.append([_switch("learner.sharding=zero3", shard="zero3")])
    if setup.layout.optimizer == "adam" and setup.layout.gpus == 1 and setup.layout.lora is None:
        changes.append([_switch("learner.optimizer=adam8bit", optimizer="adam8bit")])
    if setup.layout.element == 4:
        changes.append([_switch("run.dtype=bfloat16", element=2)])
    if setup.layout.reference:
        off = _set("learner", "kl_coefficient", 0.0)
        changes.append([("learner.kl_coefficient=0", lambda s: _without_reference(off[1](s)))])
    caps = _lower(sampling.max_new_tokens, max(1, sampling.max_new_tokens // LEAST_CAP))
    changes.append([_cap(cap, prompt, learner.token_budget) for cap in caps])
    if setup.layout.lora is None and setup.layout.gpus == 1:
        adam = "" if setup.layout.optimizer == "adam" else " --set learner.optimizer=adam"
        lora = LoraConfig()
        changes.append([_switch(f"learner.lora.rank={lora.rank}{adam}", lora=lora, optimizer="adam")])
    return [values for values in changes if values]


def find_cure(
    setup: Setup, changes: Sequence[Sequence[Change]], fits: Callable[[Setup], bool]
) -> tuple[list[str], Setup] | None:
    """The first single change that makes it fit, in the mildest value that does; else changes taken together, one
    kind after another, each at last in the mildest value that still does. None where nothing fits."""
    for values in changes:
        for word, change in values:
            if fits(change(setup)):
                return [word], change(setup)
    taken: list[Change | None] = []
    for values in changes:
        fitting = [value for value in values if fits(_apply(setup, [*taken, value]))]
        taken.append(fitting[0] if fitting else values[-1])
        if fitting:
            break
    else:
        return None
    for i in range(len(taken) - 1):
        # Not needed after what came later, or needed in a milder value only.
        milder = ([*taken[:i], value, *taken[i + 1 :]] for value in (None, *changes[i]))
        taken = next(some for some in milder if fits(_apply(setup, some)))
    return [change[0] for change in taken if change is not None], _apply(setup, taken)


def _apply(setup: Setup, changes: Sequence[Change | None]) -> Setup:
    for change in changes:
        setup = setup if change is None else change[1](setup)
    return setup


def _set(section: str, key: str, value: float) -> Change:
    def change(setup: Setup) -> Setup:
        part = getattr(setup.config, section).model_copy(update={key: value})
        return replace(setup, config=setup.config.model_copy(update={section: part}))

    return f"{section}.{key}={str(value).lower()}", change


def _cap(cap: int, prompt: int, budget: int) -> Change:
    """A lower cap; the token budget follows where it would let the update need as much as before."""
    word, lower = _set("sampling", "max_new_tokens", cap)
    if budget <= prompt + cap:
        return word, lower
    budget_word, follow = _set("learner", "token_budget", prompt + cap)
    return f"{word} --set {budget_word}", lambda setup: follow(lower(setup))


def _switch(word: str, **values: Any) -> Change:
    return word, lambda setup: replace(setup, layout=replace(setup.layout, **values))


def _without_reference(setup: Setup) -> Setup:
    return replace(setup, layout=replace(setup.layout, reference=False))


def _lower(start: int, floor: int) -> list[int]:
    """3/4 of start, 3/4 of that, ... down to ``floor``, which ends the list; empty where ``start`` is there already."""
    values = []
    while start > floor:
        start = max(start * 3 // 4, floor)
        values.append(start)
    return values
