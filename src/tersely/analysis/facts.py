"""How an evaluation was made: the facts that two of them must share before their numbers are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from tersely.records import NOTHING, JsonObject

MEASURED = frozenset({"model", "step", "instruction", "effort", "request", "decoding", "suite", "strata"})
"""Facts that say what was measured (or under which name), not how: they may differ between two sides."""

_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            "task",
            "task_sha256",
            "template",
            "instruction",
            "suite",
            "verifier",
            "policy",
            "strata",
            "effort",
            "request",
            "decoding",
            "model",
        ),
        (str,),
    ),
    **dict.fromkeys(("size", "k", "max_new_tokens", "suite_cap", "seed", "step", "repeat"), (int,)),
    **dict.fromkeys(("temperature", "top_p"), (int, float)),
}
_MADE = (
    "task", "task_sha256", "size", "k", "temperature", "top_p", "max_new_tokens", "seed", "template", "instruction",
    "suite", "step", "repeat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """The protocol of an evaluation as it was resolved and recorded; None says the same as not recorded.

    Example: ``ProtocolFacts(task="arithmetic", size=600, k=1, temperature=0.6, top_p=1.0, max_new_tokens=256)``
    """

    task: str | None = None
    task_sha256: str | None = None
    """Of the problems that were asked."""
    size: int | None = None
    k: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    template: str | None = None
    instruction: str | None = None
    suite: str | None = None
    step: int | None = None
    repeat: int | None = None
    suite_cap: int | None = None
    """The suite's own cap, recorded only where the model's positions allow less than that."""
    verifier: str | None = None
    """What judged in place of our answer kinds; recorded only where there was one."""
    policy: str | None = None
    """What is counted as correct where it is not our own rule: "published"; recorded only where there was one."""
    strata: str | None = None
    """Column of the task file whose values stand in exact shares; recorded only where the file declares one."""
    effort: str | None = None
    """Level of effort that the prompts asked for; recorded only where there was one."""
    request: str | None = None
    """What a server was asked for besides; recorded only where there was something."""
    decoding: str | None = None
    """What was done while decoding, as ``budget:512``; recorded only where there was something."""
    model: str | None = None
    further: Mapping[str, object] = field(default_factory=lambda: NOTHING, hash=False)
    """Facts that this release does not know."""
    recorded: tuple[str, ...] = field(default=_MADE, compare=False)
    """Names of the facts that were recorded, in the order of the file: older evaluations lack some."""

    @property
    def is_asked_otherwise(self) -> bool:
        """Whether something stood beside the model's own prompt: an instruction, a level, a request to its server,
        an option of decoding."""
        return bool(self.instruction or self.effort or self.request or self.decoding)

    def value(self, name: str) -> object:
        """A fact by its name in the file; None where it was not recorded."""
        return getattr(self, name) if name in _KINDS else self.further.get(name)

    def differing(self, other: ProtocolFacts, free: Collection[str] = ()) -> list[str]:
        """Names of the facts in which two protocols differ, but for those that may (``free``), in order of name."""
        names = {*self.recorded, *other.recorded}.difference(free)
        return sorted(name for name in names if self.value(name) != other.value(name))

    def judged_by(self, verifier: str | None) -> ProtocolFacts:
        """The same with what judged in place of our answer kinds; as it is where these did."""
        if verifier is None:
            return self
        return replace(self, verifier=verifier, recorded=(*self.recorded, "verifier"))

    def counted_by(self, policy: str | None) -> ProtocolFacts:
        """The same with the policy that decides what is correct; as it is under our own rule."""
        if policy is None:
            return self
        return replace(self, policy=policy, recorded=(*self.recorded, "policy"))

    def asked_with(self, request: str | None) -> ProtocolFacts:
        """The same with what a server was asked for besides; as it is where that was nothing."""
        return self if request is None else replace(self, request=request, recorded=(*self.recorded, "request"))

    def decoded_by(self, decoding: str | None) -> ProtocolFacts:
        """The same with what was done while decoding; as it is where that was nothing."""
        return self if decoding is None else replace(self, decoding=decoding, recorded=(*self.recorded, "decoding"))

    def drawn_by(self, strata: str | None) -> ProtocolFacts:
        """The same with the column of the strata; as it is where problems were drawn freely."""
        return self if strata is None else replace(self, strata=strata, recorded=(*self.recorded, "strata"))

    def asked_for(self, effort: str | None) -> ProtocolFacts:
        """The same with the level of effort; as it is where none was asked for."""
        return self if effort is None else replace(self, effort=effort, recorded=(*self.recorded, "effort"))

    def lowered_from(self, suite_cap: int | None) -> ProtocolFacts:
        """The same with the cap that the suite asks for; as it is where the model has room for that."""
        if suite_cap is None:
            return self
        return replace(self, suite_cap=suite_cap, recorded=(*self.recorded, "suite_cap"))

    def of_model(self, model: str) -> ProtocolFacts:
        """The same with the model that was measured, which stands last."""
        return replace(self, model=model, recorded=(*self.recorded, "model"))

    def without_model(self) -> ProtocolFacts:
        return replace(self, model=None, recorded=tuple(name for name in self.recorded if name != "model"))

    def to_json(self) -> JsonObject:
        """The recorded facts by name, in their order."""
        return {name: self.value(name) for name in self.recorded}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ProtocolFacts:
        """What ``to_json`` wrote, of any release. ValueError for a fact of the wrong type."""
        for name, value in found.items():
            kinds = _KINDS.get(name)
            if kinds is not None and value is not None and not isinstance(value, kinds):
                raise ValueError(f"{name} is {value!r}")
        known = {name: value for name, value in found.items() if name in _KINDS}
        further = {name: value for name, value in found.items() if name not in _KINDS}
        return cls(**known, further=MappingProxyType(further), recorded=tuple(found))
