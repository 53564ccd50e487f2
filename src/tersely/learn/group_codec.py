"""A judged group as JSON values, for the other processes: exact, and small enough for a million tokens a step."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tersely.records import Finish, Group, Json, JsonObject, LengthSource, Problem, Rollout, Status, Verdict

TOKENS, LOGPROBS = "<i4", "<f8"
"""Types in which numbers travel; log-probabilities in full, so that every process computes with the same ones."""


def encode(group: Group) -> list[JsonObject]:
    """All but what every process knows: the problem and its prompt."""
    return [
        {
            "index": rollout.index,
            "tokens": _pack(rollout.tokens, TOKENS),
            "logprobs": None if rollout.logprobs is None else _pack(rollout.logprobs, LOGPROBS),
            "text": rollout.text,
            "finish": str(rollout.finish),
            "policy_version": rollout.policy_version,
            **_counting(rollout),
            "verdict": encode_verdict(verdict),
        }
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    ]


def decode(problem: Problem, prompt: tuple[int, ...], records: Sequence[Json]) -> Group:
    """The group that ``encode`` was given."""
    rollouts = [
        Rollout(
            problem_id=problem.id,
            index=r["index"],
            prompt_tokens=prompt,
            tokens=_unpack(r["tokens"], TOKENS),
            logprobs=None if r["logprobs"] is None else _unpack(r["logprobs"], LOGPROBS),
            text=r["text"],
            finish=Finish(r["finish"]),
            policy_version=r["policy_version"],
            length_source=LengthSource(r.get("length_source", LengthSource.SAMPLED)),
            counted=r.get("counted"),
        )
        for r in records
    ]
    return Group(problem, tuple(rollouts), tuple(decode_verdict(r["verdict"]) for r in records))


def _counting(rollout: Rollout) -> JsonObject:
    """Where the length comes from, if it is not that of the sampled ids."""
    if rollout.length_source is LengthSource.SAMPLED and rollout.counted is None:
        return {}
    return {"length_source": str(rollout.length_source), "counted": rollout.counted}


def encode_verdict(verdict: Verdict) -> JsonObject:
    """The fields by name; the score only of a verifier that grades, an outside cause only where there was one.

    Training knows no policy.
    """
    record = asdict(verdict)
    del record["own_status"]
    if not verdict.outside:
        del record["outside"]
    if verdict.score is None:
        del record["score"]
    return record


def decode_verdict(record: Json) -> Verdict:
    """The verdict that ``encode_verdict`` was given."""
    score, outside = record.get("score"), record.get("outside", False)
    return Verdict(Status(record["status"]), record["extracted"], record["reason"], record["seconds"], score, outside)


def _pack(values: Sequence[float], kind: str) -> str:
    return base64.b64encode(np.asarray(values, kind).tobytes()).decode()


def _unpack(text: str, kind: str) -> tuple[Any, ...]:
    return tuple(np.frombuffer(base64.b64decode(text), kind).tolist())
