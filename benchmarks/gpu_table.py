"""results/gpu.md and gpu.json of benchmarks/gpu.py, from whatever parts have been measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_setup import MEAN, PROMPT_TOKENS, Setting

from tersely.plan import ASSUMED, LengthProfile, layout_of, predict_memory, predict_seconds

Parts = dict[str, dict[str, Any]]

AIMS = {"1.5b": (260, 190), "7b": (640, 480)}
"""Seconds of a whole iteration on one H200: must, aim."""


def write_results(out: Path, command: str) -> None:
    found: dict[str, Parts] = {}
    for path in sorted((out / "gpu_parts").glob("*.json")):
        content = json.loads(path.read_text())
        found.setdefault(content["model"], {})[content["part"]] = content
    summaries = {model: summarise(model, parts) for model, parts in found.items()}
    content = {"command": command, "summary": summaries, "parts": found}
    (out / "gpu.json").write_text(json.dumps(content, indent=1) + "\n")
    (out / "gpu.md").write_text("\n".join(page(found, summaries, command)) + "\n")


def seconds_of(parts: Parts, name: str, key: str = "seconds") -> float | None:
    value = parts.get(name, {}).get(key)
    return None if value is None else float(value)


def summarise(model: str, parts: Parts) -> dict[str, Any]:
    """The few numbers that the aims speak of; None where a part they need is missing."""
    ceiling = parts.get("ceilings", {})
    flops = ceiling.get("matmul_flops")
    bandwidth = max(ceiling["copy_bytes_per_s"], ceiling["triad_bytes_per_s"]) if flops else None
    gradients = seconds_of(parts, "gradients", "flops_per_s")
    rollouts = {n: seconds_of(parts, n) for n in ("rollout-vllm", "rollout-model")}
    measured = {n: s for n, s in rollouts.items() if s is not None}
    best = min(measured, key=lambda n: measured[n]) if measured else None
    update = seconds_of(parts, "update")
    handover = max(
        filter(
            None,
            (seconds_of(parts, n, "handover_s") for n in ("update", best or "")),
        ),
        default=None,
    )
    whole = measured[best] + update + handover if best and update and handover else None
    extra = parts.get("head", {}).get("forward_backward", {}).get("extra_gb")
    return {
        "bandwidth_bytes_per_s": bandwidth,
        "rollout": best,
        "rollout_s": measured.get(best) if best else None,
        "update_s": update,
        "handover_s": handover,
        "whole_iteration_s": whole,
        "mfu": gradients / flops if gradients and flops else None,
        "head_extra_gb": extra,
        "against_trl": against_trl(parts),
        "plan": plan(model, parts, flops, bandwidth) if flops else None,
    }


def against_trl(parts: Parts) -> str | None:
    from against_trl import ratio

    ours, theirs = (parts.get(n, {}).get("iterations") for n in ("iteration-8", "trl-8"))
    if not ours or not theirs:
        return None
    return ratio([i["seconds"] for i in theirs], [i["seconds"] for i in ours])


def plan(model: str, parts: Parts, flops: float, bandwidth: float) -> dict[str, Any]:
    """What `tersely plan` says of the same iteration, given the ceilings that were measured."""
    setting = Setting(model, torch.device("cpu"), torch.float32 if model == "tiny" else torch.bfloat16)
    config, shape = setting.config(), setting.shape
    device = "cpu" if model == "tiny" else "cuda"
    layout = layout_of(config, device)
    lengths = LengthProfile(np.sort(np.array(setting.lengths, dtype=np.float64)), "the trace", True)
    width = len(setting.prompts()[0].tokens)
    memory = predict_memory(shape, config, layout, lengths, width, device)
    machines = {n: replace(m, flops=flops, bandwidth=bandwidth) for n, m in ASSUMED.items()}
    seconds = {n: predict_seconds(shape, config, layout, lengths, width, m).to_json() for n, m in machines.items()}
    return {"memory": memory.to_json(), "seconds": seconds, "machine": as_machine(parts, flops, bandwidth)}


def as_machine(parts: Parts, flops: float, bandwidth: float) -> dict[str, float | str]:
    """For `tersely plan --machine`: ceilings, the share reached in training, and in decoding from the two steps timed:
    the smaller gives the time that no ceiling explains, the larger the share of the bandwidth beyond that."""
    machine: dict[str, float | str] = {"name": "measured", "flops": flops, "bandwidth": bandwidth}
    reached = seconds_of(parts, "gradients", "flops_per_s")
    if reached:
        machine["train_efficiency"] = reached / flops
    steps = [parts.get("decode", {}).get(n) for n in ("b1", "b256")]
    if all(steps):
        ideal = [s["ms"] / 1e3 * s["bytes_per_s"] / bandwidth for s in steps if s]
        taken = [s["ms"] / 1e3 for s in steps if s]
        # taken = overhead + ideal / efficiency, at both.
        slope = (taken[1] - taken[0]) / (ideal[1] - ideal[0])
        machine["decode_efficiency"] = min(1.0, 1.0 / slope) if slope > 0 else 1.0
        machine["step_overhead"] = max(0.0, taken[0] - ideal[0] / float(machine["decode_efficiency"]))
    return machine


# ---- the page


def page(found: dict[str, Parts], summaries: dict[str, Any], command: str) -> Iterator[str]:
    yield "# One GPU"
    yield ""
    one = next((p for parts in found.values() for p in parts.values() if "torch" in p), {})
    dates = sorted({p["date"] for parts in found.values() for p in parts.values()})
    yield (
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, {one.get('device')}, torch {one.get('torch')}, "
        f"transformers {one.get('transformers')}, Python {one.get('python')}. Command: `{command}`."
    )
    yield ""
    yield (
        f"Random weights; 32 prompts of {PROMPT_TOKENS} tokens x 8 responses of forced lengths (lognormal, sigma 0.85, "
        f"cut at 32,000, 1.5 % there, mean {MEAN['1.5b']:,.0f} and {MEAN['7b']:,.0f}). Each part once in a process of "
        "its own, unless it says otherwise: no intervals, so differences of a few per cent mean nothing."
    )
    for model, parts in found.items():
        aimed = [] if model == "small" else [*aims(model, summaries[model]), ""]
        yield from ["", f"## {model}", "", *aimed, *measured(parts, summaries[model])]
        if summaries[model]["plan"]:
            yield from ["", *predicted(parts, summaries[model])]


def aims(model: str, summary: dict[str, Any]) -> Iterator[str]:
    must, aim = AIMS.get(model, ("", ""))
    mfu, extra = summary["mfu"], summary["head_extra_gb"]
    yield "| aim | must | aim | measured |"
    yield "|---|---:|---:|---:|"
    whole = f"whole iteration, s: {summary['rollout'] or 'rollout'} + update + hand-over, sum of parts"
    yield f"| {whole} | {must} | {aim} | {show(summary['whole_iteration_s'], '.0f')} |"
    share = show(mfu and 100 * mfu, ".1f", " %")
    yield f"| forward + backward, share of the measured matrix product | 40 % | 50 % | {share} |"
    yield f"| chunked log-probabilities of 32,000 positions, extra GB | 2 | 1 | {show(extra, '.2f')} |"
    ratio = summary["against_trl"] or "not measured"
    yield f"| TRL with continuous batching / tersely, an eighth of the lengths | 4 | | {ratio} |"


def measured(parts: Parts, summary: dict[str, Any]) -> Iterator[str]:
    yield "| part | lengths | seconds | peak GB | |"
    yield "|---|---|---:|---:|---|"
    for name, part in parts.items():
        share = f"1/{part['share']}" if part.get("share", 1) > 1 else "whole"
        iterations = part.get("iterations")
        seconds = np.median([i["seconds"] for i in iterations]) if iterations else part.get("seconds")
        peak = max(i["peak_gb"] for i in iterations) if iterations else part.get("peak_gb")
        detail = details(name, part, summary)
        yield f"| {name} | {share} | {show(seconds, '.2f', none='')} | {show(peak, '.1f', none='')} | {detail} |"


def details(name: str, part: dict[str, Any], summary: dict[str, Any]) -> str:
    for word in ("skipped", "not_finished", "failed"):
        if word in part:
            rest = f", {part['tokens_done']:,} of {part['tokens']:,} tokens" if "tokens_done" in part else ""
            return f"{word.replace('_', ' ')}: {str(part[word]).splitlines()[-1][:200]}{rest}".replace("|", "/")
    if name == "ceilings":
        copy, triad = part["copy_bytes_per_s"] / 1e12, part["triad_bytes_per_s"] / 1e12
        return f"{part['matmul_flops'] / 1e12:.1f} TFLOP/s bf16, copy {copy:.2f} TB/s, triad {triad:.2f} TB/s"
    if name == "decode":
        steps = [part["b256"], part["b1"]]
        of = summary["bandwidth_bytes_per_s"]
        shares = [f" ({s['bytes_per_s'] / of:.0%} of the bandwidth)" if of else "" for s in steps]
        return "; ".join(
            f"{s['rows']} rows at {s['context']:,}: {s['ms']:.2f} ms a step{share}"
            for s, share in zip(steps, shares, strict=True)
        )
    if name == "head":
        both, forward = part["forward_backward"], part["forward"]
        return (
            f"{part['positions']:,} x {part['vocabulary']:,}: forward {forward['seconds']:.3f} s "
            f"({forward['seconds'] / part['gemm_s']:.2f} x the bare product), {forward['extra_gb']:.2f} GB extra; with "
            f"backward {both['seconds']:.3f} s, {both['extra_gb']:.2f} GB"
        )
    if name == "gradients":
        kind = f"{part['attention']}, {'packed' if part['packed'] else 'padded'}"
        again = ", activations computed again" if part["checkpointing"] else ""
        return f"{part['tokens']:,} tokens, {part['flops_per_s'] / 1e12:.0f} TFLOP/s ({kind}{again})"
    if name == "update":
        return (
            f"{part['tokens']:,} tokens, reference {part['reference_in_update_s']:.2f} s of it; by themselves: old "
            f"{part['logprobs_policy_s']:.2f} s, reference {part['logprobs_reference_s']:.2f} s, hand-over "
            f"{part['handover_s'] * 1e3:.1f} ms; {part['optimizer']}"
        )
    if name == "whole":
        spent = ", ".join(f"{words} {seconds:.0f} s" for words, seconds in part["parts_s"].items())
        return (
            f"{part['parameters']:,} weights, {part['sampler']}: stopped after step {part['stopped_after']}, went on "
            f"to {part['steps']}, {part['responses']} responses evaluated; {spent} (each with its start); sampler and "
            f"trainer at most {part['gap_nats']:.1e} nats apart in a step's mean"
        )
    speed = f"{part['tokens'] / part['seconds']:,.0f} tokens/s" if "seconds" in part else ""
    if "iterations" in part:
        speed = f"median of {len(part['iterations'])}" + (f", {part['sampler']}" if "sampler" in part else "")
    return speed


def predicted(parts: Parts, summary: dict[str, Any]) -> Iterator[str]:
    """`tersely plan`, with the measured ceilings and its assumed efficiencies, against what was measured."""
    plan = summary["plan"]
    seconds, memory = plan["seconds"], plan["memory"]
    update = parts.get("update", {})
    rollout = parts.get(summary["rollout"] or "", {})
    yield "| `tersely plan` on the measured ceilings | floor | good | typical | measured |"
    yield "|---|---:|---:|---:|---:|"
    rows = (
        ("sampling, s", "sampling", summary["rollout_s"]),
        ("updating, s", "updating", summary["update_s"]),
        ("reference, s", "reference", update.get("logprobs_reference_s")),
        ("whole, s (plan adds the judge)", "total", summary["whole_iteration_s"]),
    )
    for words, key, value in rows:
        cells = " | ".join(f"{seconds[n][key]:.4g}" for n in ("floor", "good", "typical"))
        yield f"| {words} | {cells} | {show(value, '.4g')} |"
    for words, key, part in (("peak updating, GB", "updating", update), ("peak sampling, GB", "sampling", rollout)):
        note = " (sampler alone)" if key == "sampling" else ""
        yield f"| {words} | | {memory[key] / 1e9:.4g} | | {show(part.get('peak_gb'), '.4g')}{note} |"
    yield ""
    yield f"For `tersely plan --machine`: `{json.dumps(plan['machine'])}`"


def show(value: float | None, form: str, unit: str = "", none: str = "not measured") -> str:
    return none if value is None else f"{value:{form}}{unit}"
