"""`tersely plan`: from a configuration to a plan, its table and its JSON. Reads files; loads no weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.plan.checkpoints import disk_need, gb, main_memory_bytes
from tersely.plan.checks import check_plan, check_tokenizer
from tersely.plan.files import folder_files, has_tokenizer, locate_files, prompt_tokens
from tersely.plan.gpus import find_gpu, machines_of
from tersely.plan.lengths import LengthProfile, default_profile, lognormal, read_lengths
from tersely.plan.machine import available_memory, device_kind
from tersely.plan.memory import Layout, Memory, layout_of, predict_memory
from tersely.plan.shape import ModelShape
from tersely.plan.time import ASSUMED, Machine, Seconds, predict_seconds, read_machine
from tersely.records import JsonObject


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What the user says besides the configuration."""

    mean_length: float | None = None
    profile: Path | None = None
    gpu_memory: float | None = None
    """GB of a GPU to plan for instead of this machine."""
    machine: Path | None = None
    gpu: str | None = None
    """One of ``plan.gpus.GPUS`` to plan for instead of this machine."""
    gpus: int = 1
    sample: LengthProfile | None = None
    """Lengths drawn from the model just now."""

    def __post_init__(self) -> None:
        if self.gpu is not None:
            find_gpu(self.gpu)
            if self.gpu_memory is not None:
                raise UserError("--gpu and --gpu-memory both say how much memory there is: give one of them")
        if self.gpus < 1:
            raise UserError(f"--gpus is {self.gpus}: at least one is needed")
        if self.gpu_memory is not None and not 0 < self.gpu_memory < float("inf"):
            raise UserError(f"--gpu-memory is {self.gpu_memory:g}: give the GB of one GPU, for example 141")
        if sum(x is not None for x in (self.profile, self.mean_length, self.sample)) > 1:
            raise UserError("--profile, --mean-length and --sample all say how long responses are: give one of them")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one configuration will need, and what stands against it."""

    config: TrainConfig
    shape: ModelShape
    layout: Layout
    device: str
    lengths: LengthProfile
    prompt: tuple[float, int]
    """Mean and largest prompt, in tokens."""
    memory: Memory
    available: float
    available_from: str
    seconds: dict[str, Seconds]
    """By name of the machine."""
    refusals: list[str]
    notes: list[str]

    @property
    def truncated(self) -> float:
        return self.lengths.truncated(self.config.sampling.max_new_tokens)

    @property
    def mean_length(self) -> float:
        return self.lengths.mean(self.config.sampling.max_new_tokens)

    def gpu_hours(self, seconds: Seconds) -> float:
        return seconds.total * self.config.run.steps * self.layout.gpus / 3600

    def to_json(self) -> JsonObject:
        shape, cap = self.shape, self.config.sampling.max_new_tokens
        return {
            "model": {
                "kind": shape.kind,
                "parameters": shape.parameters,
                "body_parameters": shape.body_parameters,
                "head_parameters": shape.head_parameters,
                "tied": shape.tied,
                "kv_bytes_per_token": shape.kv_bytes(self.layout.element),
                "positions": shape.positions,
            },
            "prompt_tokens": {"mean": self.prompt[0], "largest": self.prompt[1]},
            "lengths": {
                "source": self.lengths.source,
                "measured": self.lengths.measured,
                "cap": cap,
                "mean": self.mean_length,
                "truncated": self.truncated,
            },
            "device": self.device,
            "gpus": self.layout.gpus,
            "bytes": self.memory.to_json(),
            "available_bytes": self.available,
            "available_from": self.available_from,
            "steps": self.config.run.steps,
            "seconds_an_iteration": {name: s.to_json() for name, s in self.seconds.items()},
            "gpu_hours": {name: self.gpu_hours(s) for name, s in self.seconds.items()},
            "refusals": self.refusals,
            "notes": self.notes,
        }


def make_plan(config: TrainConfig, inputs: PlanInputs | None = None) -> Plan:
    """Plan one run. UserError for input that cannot be read; what stands against the run is in ``refusals``."""
    inputs = inputs or PlanInputs()
    place = locate_files(config.model, config.revision)
    files = folder_files(place)
    model_config = files["config.json"]
    shape = ModelShape.of(model_config)
    device = "cuda" if inputs.gpu_memory or inputs.gpu else device_kind(config.run.device)
    layout = layout_of(config, device, inputs.gpus)
    lengths = pick_lengths(config, shape, inputs)
    prompt, notes = prompt_tokens(config, place, files)
    available, available_from = _available(device, inputs)
    refusals = check_plan(
        config,
        model_config,
        lengths=lengths,
        prompt=prompt[1],
        available=available or None,
        device=device,
        gpus=inputs.gpus,
    )
    if has_tokenizer(files):
        refusals = check_tokenizer(files, config.template) + refusals
    # The ceilings are a GPU's, so the seconds are those of the same run on one, in the type it would have there.
    gpu = layout_of(config, "cuda")
    on_gpu = replace(layout, element=gpu.element, packed=gpu.packed)
    machines = _machines(inputs)
    return Plan(
        config=config,
        shape=shape,
        layout=layout,
        device=device,
        lengths=lengths,
        prompt=prompt,
        memory=predict_memory(shape, config, layout, lengths, prompt[1], device, available or None),
        available=float(available),
        available_from=available_from,
        seconds={name: predict_seconds(shape, config, on_gpu, lengths, prompt[0], m) for name, m in machines.items()},
        refusals=refusals,
        notes=notes + _notes(config, lengths, device, inputs) + _kept(config, shape, layout, device),
    )


def pick_lengths(config: TrainConfig, shape: ModelShape, inputs: PlanInputs) -> LengthProfile:
    """Measured lengths before a given mean before the assumption."""
    if inputs.sample is not None:
        return inputs.sample
    if inputs.profile is not None:
        return read_lengths(inputs.profile)
    if inputs.mean_length is not None:
        cap = config.sampling.max_new_tokens
        return lognormal(inputs.mean_length, cap, source=f"mean of {inputs.mean_length:g} tokens, as given")
    return default_profile(shape.parameters)


def _machines(inputs: PlanInputs) -> dict[str, Machine]:
    """Measured ceilings before those of the GPU that was named before the assumed ones."""
    if inputs.machine is not None:
        measured = read_machine(inputs.machine)
        return {measured.name: measured}
    return machines_of(inputs.gpu) if inputs.gpu else {m.name: m for m in ASSUMED.values()}


def _available(device: str, inputs: PlanInputs) -> tuple[float, str]:
    if inputs.gpu_memory:
        return inputs.gpu_memory * 1e9, "as given"
    if inputs.gpu:
        return find_gpu(inputs.gpu).memory, f"of one {inputs.gpu.upper()}"
    return available_memory(device)


def _kept(config: TrainConfig, shape: ModelShape, layout: Layout, device: str) -> list[str]:
    """What the disk must hold, and beside a GPU main memory."""
    lora = layout.lora
    adapter = 0 if lora is None else shape.adapter_parameters(lora.rank, lora.target_names)
    need = disk_need(config, layout, shape.parameters, adapter)
    notes = [f"the disk must hold {need.words()}: {gb(need.total)}"]
    if device == "cuda":
        main = main_memory_bytes(shape.parameters, layout, adapter)
        notes.append(f"the first process needs {gb(main)} of main memory to load the model and to write a checkpoint")
    return notes


def _notes(config: TrainConfig, lengths: LengthProfile, device: str, inputs: PlanInputs) -> list[str]:
    notes = []
    cap = config.sampling.max_new_tokens
    if not lengths.measured:
        notes.append(
            "lengths are assumed, not measured: `tersely profile` measures them, and --profile reads the result"
        )
    elif cap > lengths.known_to:
        notes.append(
            f"lengths were measured under a cap of {lengths.known_to:.0f}: what was cut there counts as running to "
            f"the cap of {cap}, so truncation and seconds are upper bounds"
        )
    if inputs.machine is None and inputs.gpu is not None:
        notes.append("ceilings are the maker's, not measured: --machine takes measured ones")
    elif inputs.machine is None:
        notes.append(
            "seconds are of an H200-class GPU (790 TFLOP/s, 4.3 TB/s), not of this machine: --machine takes measured "
            "ceilings"
            if device == "cuda"
            else "seconds are those of an H200-class GPU: nothing is predicted for a CPU"
        )
    return notes
