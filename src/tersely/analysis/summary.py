"""One evaluation in numbers (``summarise``) and two evaluations on the same problems side by side (``compare``).

Both return plain dictionaries that go to ``summary.json`` as they are. Every estimate is ``Estimate.to_json()``:
``{"value", "low", "high", "n", "method"}``; a quantity that no response can tell (tokens of wrong responses where
none is wrong) is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tersely.analysis.behaviours import PHRASES, Phrases, count_behaviours
from tersely.analysis.intervals import (
    CONFIDENCE,
    clustered_mean,
    clustered_rate,
    paired_difference,
    paired_ratio,
    paired_saving,
    pass_at_k,
)
from tersely.analysis.overthinking import Readings, read_texts, summarise_overthinking
from tersely.analysis.spread import length_spread
from tersely.analysis.votes import majority_clusters, shortest_correct
from tersely.errors import UserError
from tersely.records import Estimate, EvalRecord, Finish, Status

UNLABELLED = "unlabelled"
"""The difficulty of problems that have none."""

MEASURED = frozenset({"model", "step", "instruction", "suite"})
"""Facts of a protocol that say what was measured (or under which name), not how: they may differ between two sides."""

Json = dict[str, Any]
Clusters = dict[str, list[float]]
Counts = Mapping[tuple[str, int], Mapping[str, int]]
"""(problem, sample) -> phrases of each behaviour."""


def summarise(records: Sequence[EvalRecord], protocol: Mapping[str, Any], phrases: Phrases = PHRASES) -> Json:
    """Accuracy, tokens, rates, pass@k and behaviours of one evaluation, overall and by difficulty.

    Keys: ``confidence``, ``protocol`` (as given), ``k`` (responses a problem, the largest), ``phrases``, ``overall``
    and ``by_difficulty`` (label -> block, easiest first). A block holds

    - ``responses``, ``problems``, ``unjudged_responses``, ``aborted_responses``: counts;
    - ``accuracy``: share correct among the judged responses (UNJUDGED ones are left out, not counted wrong);
    - ``tokens``: sampled tokens a response; ``tokens_correct`` and ``tokens_wrong`` the same over the judged
      correct or judged not correct responses, and the problems that have any;
    - ``truncated``, ``no_answer``, ``unjudged``: shares of all responses;
    - ``tokens_thinking``, ``tokens_answer``: ``tokens`` split at the last ``</think>`` (``evaluate.thinking``); None
      for a model that never thinks apart, and where the evaluation did not count;
    - ``pass_at_k``: {"1": .., "2": .., "4": .., up to k}, over judged responses;
    - ``maj_at_k``: {"k": ..} for all k >= 2 responses: the majority's answer is correct (``votes``), and
      ``best_of_k``: {"k", "accuracy" (pass@k), "tokens" (of the shortest correct one), "tokens_spent" (on all k)}, the
      two references of spending more; empty and None for k = 1;
    - ``behaviours``: {name: phrases a response};
    - ``overthinking``: see ``summarise_overthinking``; ``spread``: see ``length_spread`` (both absent from summaries
      of older releases).

    No records, or two records for one sample of a problem, is a UserError.
    """
    _check(records)
    readings = read_texts(records)
    counts = {(r.problem_id, r.sample): count_behaviours(r.text, phrases) for r in records}
    return {
        "confidence": CONFIDENCE,
        "protocol": dict(protocol),
        "k": max(len(group) for group in _by_problem(records).values()),
        "phrases": {name: list(words) for name, words in phrases.items()},
        "overall": _block(records, counts, readings),
        "by_difficulty": {label: _block(group, counts, readings) for label, group in by_difficulty(records).items()},
    }


def compare(
    base_records: Sequence[EvalRecord],
    model_records: Sequence[EvalRecord],
    base_protocol: Mapping[str, Any] | None = None,
    model_protocol: Mapping[str, Any] | None = None,
) -> Json:
    """What the model gained and lost against the base on the same problems, overall and by difficulty.

    ``{"confidence", "overall", "by_difficulty"}``, each block ``{"problems", "accuracy_difference" (model - base, in
    [-1, 1], over problems judged in both), "token_difference", "token_ratio", "token_saving" (1 - ratio)}``.

    Different problems, different numbers of responses to one of them, or protocols that differ in anything but
    what is measured (``MEASURED``) are a UserError: such numbers would not mean what they seem to.
    """
    require_comparable(base_records, model_records, base_protocol, model_protocol)
    base_groups, model_groups = by_difficulty(base_records), by_difficulty(model_records)
    return {
        "confidence": CONFIDENCE,
        "overall": _versus(base_records, model_records),
        "by_difficulty": {label: _versus(group, model_groups[label]) for label, group in base_groups.items()},
    }


def require_comparable(
    base_records: Sequence[EvalRecord],
    model_records: Sequence[EvalRecord],
    base_protocol: Mapping[str, Any] | None = None,
    model_protocol: Mapping[str, Any] | None = None,
) -> None:
    """UserError unless both sides answered the same problems equally often under one protocol (see ``compare``)."""
    _check(base_records)
    _check(model_records)
    _same_protocol(base_protocol, model_protocol)
    _same_problems(base_records, model_records)


def by_difficulty(records: Sequence[EvalRecord]) -> dict[str, list[EvalRecord]]:
    """The records of each difficulty label, easiest first (``difficulty_order``)."""
    groups: dict[str, list[EvalRecord]] = {}
    for record in records:
        groups.setdefault(UNLABELLED if record.difficulty is None else record.difficulty, []).append(record)
    return {label: groups[label] for label in sorted(groups, key=difficulty_order)}


def difficulty_order(label: str) -> tuple[bool, list[tuple[bool, float, str]]]:
    """Sort key under which "level 2" stands before "level 10", 4.25 before 4.5, and unlabelled last."""
    pieces = [piece for piece in re.split(r"([0-9]+(?:\.[0-9]+)?)", label) if piece]
    parts = [(False, float(piece), "") if piece[0] in "0123456789" else (True, 0, piece) for piece in pieces]
    return label == UNLABELLED, parts


def accuracy_clusters(records: Sequence[EvalRecord]) -> Clusters:
    """Problem id -> 1 or 0 for each judged response; problems without a judged response are absent."""
    return _clusters(records, lambda r: float(r.correct), _judged)


def token_clusters(records: Sequence[EvalRecord]) -> Clusters:
    """Problem id -> sampled tokens of each response."""
    return _clusters(records, lambda r: float(r.tokens))


def _block(records: Sequence[EvalRecord], counts: Counts, readings: Readings) -> Json:
    accuracy, groups = accuracy_clusters(records), _by_problem(records)
    k = max(len(group) for group in groups.values())
    passes = _pass_family(accuracy)
    return {
        "responses": len(records),
        "problems": len(groups),
        "unjudged_responses": sum(not _judged(r) for r in records),
        "aborted_responses": sum(r.finish is Finish.ABORTED for r in records),
        "accuracy": _json(clustered_rate, accuracy),
        "tokens": _json(clustered_mean, token_clusters(records)),
        **_split_tokens(records),
        "tokens_correct": _json(clustered_mean, _clusters(records, _tokens, lambda r: r.correct)),
        "tokens_wrong": _json(clustered_mean, _clusters(records, _tokens, lambda r: _judged(r) and not r.correct)),
        "truncated": _json(clustered_rate, _clusters(records, lambda r: float(r.finish is Finish.LENGTH))),
        "no_answer": _json(clustered_rate, _clusters(records, lambda r: float(r.status is Status.NO_ANSWER))),
        "unjudged": _json(clustered_rate, _clusters(records, lambda r: float(not _judged(r)))),
        "pass_at_k": passes,
        "maj_at_k": {} if k < 2 else {str(k): _json(clustered_rate, majority_clusters(groups))},
        "best_of_k": _best(groups, k, passes),
        "behaviours": _behaviours(records, counts),
        "overthinking": summarise_overthinking(records, readings),
        "spread": length_spread(_clusters(records, _tokens, lambda r: r.correct)),
    }


def _split_tokens(records: Sequence[EvalRecord]) -> Json:
    """Tokens of thinking and of answer, over all responses: one that has no tag beside others that do is all answer."""
    names = ("tokens_thinking", "tokens_answer")
    if any(r.thinking_tokens is None for r in records) or not any(r.thinking_tokens for r in records):
        return dict.fromkeys(names)
    thinking = _clusters(records, lambda r: float(r.thinking_tokens or 0))
    answer = _clusters(records, lambda r: float(r.tokens - (r.thinking_tokens or 0)))
    return {name: clustered_mean(c).to_json() for name, c in zip(names, (thinking, answer), strict=True)}


def _best(groups: Mapping[str, Sequence[EvalRecord]], k: int, passes: Mapping[str, Json]) -> Json | None:
    """Best of k: somebody who knows the answers picks the shortest correct response."""
    if k < 2:
        return None
    shortest = {problem: [shortest_correct(group)] for problem, group in groups.items()}
    spent = {problem: [float(sum(r.tokens for r in group))] for problem, group in groups.items()}
    return {
        "k": k,
        "accuracy": passes.get(str(k)),
        "tokens": clustered_mean(shortest).to_json(),
        "tokens_spent": clustered_mean(spent).to_json(),
    }


def _pass_family(accuracy: Clusters) -> dict[str, Json]:
    """pass@1, 2, 4, ... and the largest k that any problem has."""
    most = max((len(values) for values in accuracy.values()), default=0)
    doubling = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return {str(k): pass_at_k(accuracy, k).to_json() for k in sorted({*doubling, most} - {0})}


def _behaviours(records: Sequence[EvalRecord], counts: Counts) -> dict[str, Json]:
    result = {}
    for name in counts[records[0].problem_id, records[0].sample]:
        clusters: Clusters = {}
        for record in records:
            count = counts[record.problem_id, record.sample][name]
            clusters.setdefault(record.problem_id, []).append(float(count))
        result[name] = clustered_mean(clusters).to_json()
    return result


def _versus(base: Sequence[EvalRecord], model: Sequence[EvalRecord]) -> Json:
    base_right, model_right = accuracy_clusters(base), accuracy_clusters(model)
    both = [problem for problem in base_right if problem in model_right]
    right = paired_difference(_only(base_right, both), _only(model_right, both), rates=True) if both else None
    base_tokens, model_tokens = token_clusters(base), token_clusters(model)
    measurable = sum(record.tokens for record in base) > 0
    return {
        "problems": len(base_tokens),
        "accuracy_difference": None if right is None else right.to_json(),
        "token_difference": paired_difference(base_tokens, model_tokens).to_json(),
        "token_ratio": paired_ratio(base_tokens, model_tokens).to_json() if measurable else None,
        "token_saving": paired_saving(base_tokens, model_tokens).to_json() if measurable else None,
    }


def _only(clusters: Clusters, problems: Sequence[str]) -> Clusters:
    return {problem: clusters[problem] for problem in problems}


def _by_problem(records: Sequence[EvalRecord]) -> dict[str, list[EvalRecord]]:
    groups: dict[str, list[EvalRecord]] = {}
    for record in records:
        groups.setdefault(record.problem_id, []).append(record)
    return groups


def _clusters(
    records: Sequence[EvalRecord],
    value: Callable[[EvalRecord], float],
    keep: Callable[[EvalRecord], bool] = lambda _: True,
) -> Clusters:
    clusters: Clusters = {}
    for record in records:
        if keep(record):
            clusters.setdefault(record.problem_id, []).append(value(record))
    return clusters


def _json(estimate: Callable[[Clusters], Estimate], clusters: Clusters) -> Json | None:
    return estimate(clusters).to_json() if clusters else None


def _judged(record: EvalRecord) -> bool:
    return record.status is not Status.UNJUDGED


def _tokens(record: EvalRecord) -> float:
    return float(record.tokens)


def _check(records: Sequence[EvalRecord]) -> None:
    if not records:
        raise UserError("there is not a single response to summarise: evaluate the model first")
    seen: set[tuple[str, int]] = set()
    labels: dict[str, str | None] = {}
    for record in records:
        key = (record.problem_id, record.sample)
        if key in seen:
            raise UserError(f"problem {key[0]} has sample {key[1]} twice: keep one line for each response")
        seen.add(key)
        if labels.setdefault(record.problem_id, record.difficulty) != record.difficulty:
            raise UserError(f"problem {record.problem_id} has two difficulties: give it one and evaluate again")


def _same_protocol(base: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> None:
    if base is None or model is None:
        return
    differing = sorted(key for key in {*base, *model} - MEASURED if base.get(key) != model.get(key))
    if differing:
        what = ", ".join(f"{key} {base.get(key)!r} and {model.get(key)!r}" for key in differing)
        raise UserError(f"the two evaluations used different protocols ({what}): evaluate both under the same one")


def _same_problems(base: Sequence[EvalRecord], model: Sequence[EvalRecord]) -> None:
    base_groups, model_groups = _by_problem(base), _by_problem(model)
    lonely = len(set(base_groups) ^ set(model_groups))
    if lonely:
        raise UserError(f"{lonely} problems were evaluated on one side only: evaluate both on the same task")
    for problem, group in base_groups.items():
        other = model_groups[problem]
        if len(group) != len(other):
            raise UserError(
                f"problem {problem} has {len(group)} responses on one side and {len(other)} on the other: "
                "evaluate both with the same k"
            )
        if group[0].difficulty != other[0].difficulty:
            raise UserError(f"problem {problem} has another difficulty on each side: evaluate both on the same task")
