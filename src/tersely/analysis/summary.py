"""One evaluation in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tersely.analysis.behaviours import PHRASES, Phrases, count_behaviours
from tersely.analysis.clusters import (
    accuracy_clusters,
    by_difficulty,
    by_problem,
    clusters_of,
    judged,
    require_distinct_samples,
    token_clusters,
)
from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.intervals import CONFIDENCE, Clusters, clustered_mean, clustered_rate, pass_at_k
from tersely.analysis.overthinking import Readings, read_texts, summarise_overthinking
from tersely.analysis.records import BestOfK, Summary, SummaryBlock
from tersely.analysis.spread import length_spread
from tersely.analysis.strata import marked
from tersely.analysis.votes import majority_clusters, shortest_correct
from tersely.records import Estimate, EvalRecord, Finish, Status

Counts = Mapping[tuple[str, int], Mapping[str, int]]
"""(problem, sample) -> phrases of each behaviour."""


def summarise(records: Sequence[EvalRecord], protocol: ProtocolFacts, phrases: Phrases = PHRASES) -> Summary:
    """Accuracy, tokens, rates, pass@k and behaviours of one evaluation, overall and by difficulty.

    No records, or two records for one sample of a problem, is a UserError.
    """
    require_distinct_samples(records)
    readings = read_texts(records)
    counts = {(r.problem_id, r.sample): count_behaviours(r.text, phrases) for r in records}
    summary = Summary(
        confidence=CONFIDENCE,
        protocol=protocol,
        k=_largest_k(by_problem(records)),
        phrases={name: tuple(words) for name, words in phrases.items()},
        overall=_block(records, counts, readings),
        by_difficulty={label: _block(group, counts, readings) for label, group in by_difficulty(records).items()},
    )
    return marked(summary, protocol)


def _block(records: Sequence[EvalRecord], counts: Counts, readings: Readings) -> SummaryBlock:
    accuracy, groups = accuracy_clusters(records), by_problem(records)
    k, passes = _largest_k(groups), _pass_family(accuracy)
    thinking, answer = _split_tokens(records)
    correct = clusters_of(records, lambda r: r.tokens, lambda r: r.correct)
    wrong = clusters_of(records, lambda r: r.tokens, lambda r: judged(r) and not r.correct)
    return SummaryBlock(
        responses=len(records),
        problems=len(groups),
        unjudged_responses=sum(not judged(r) for r in records),
        aborted_responses=sum(r.finish is Finish.ABORTED for r in records),
        accuracy=_if_any(clustered_rate, accuracy),
        tokens=clustered_mean(token_clusters(records)),
        tokens_thinking=thinking,
        tokens_answer=answer,
        tokens_correct=_if_any(clustered_mean, correct),
        tokens_wrong=_if_any(clustered_mean, wrong),
        truncated=clustered_rate(clusters_of(records, lambda r: r.finish is Finish.LENGTH)),
        no_answer=clustered_rate(clusters_of(records, lambda r: r.status is Status.NO_ANSWER)),
        unjudged=clustered_rate(clusters_of(records, lambda r: not judged(r))),
        pass_at_k=passes,
        maj_at_k={} if k < 2 else {k: _if_any(clustered_rate, majority_clusters(groups))},
        best_of_k=_best(groups, k, passes),
        behaviours=_behaviours(records, counts),
        overthinking=summarise_overthinking(records, readings),
        spread=length_spread(correct),
    )


def _largest_k(groups: Mapping[str, Sequence[EvalRecord]]) -> int:
    return max(len(group) for group in groups.values())


def _split_tokens(records: Sequence[EvalRecord]) -> tuple[Estimate | None, Estimate | None]:
    """Tokens of thinking and of answer, over all responses: one that has no tag beside others that do is all answer."""
    if any(r.thinking_tokens is None for r in records) or not any(r.thinking_tokens for r in records):
        return None, None
    thinking = clusters_of(records, lambda r: r.thinking_tokens or 0)
    answer = clusters_of(records, lambda r: r.tokens - (r.thinking_tokens or 0))
    return clustered_mean(thinking), clustered_mean(answer)


def _best(groups: Mapping[str, Sequence[EvalRecord]], k: int, passes: Mapping[int, Estimate]) -> BestOfK | None:
    """Best of k: somebody who knows the answers picks the shortest correct response."""
    if k < 2:
        return None
    shortest = {problem: [shortest_correct(group)] for problem, group in groups.items()}
    spent = {problem: [float(sum(r.tokens for r in group))] for problem, group in groups.items()}
    return BestOfK(k, passes.get(k), clustered_mean(shortest), clustered_mean(spent))


def _pass_family(accuracy: Clusters) -> dict[int, Estimate]:
    """pass@1, 2, 4, ... and the largest k that any problem has."""
    most = max((len(values) for values in accuracy.values()), default=0)
    doubling = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return {k: pass_at_k(accuracy, k) for k in sorted({*doubling, most} - {0})}


def _behaviours(records: Sequence[EvalRecord], counts: Counts) -> dict[str, Estimate]:
    def mean(name: str) -> Estimate:
        return clustered_mean(clusters_of(records, lambda r: counts[r.problem_id, r.sample][name]))

    return {name: mean(name) for name in counts[records[0].problem_id, records[0].sample]}


def _if_any(estimate: Callable[[Clusters], Estimate], clusters: Clusters) -> Estimate | None:
    return estimate(clusters) if clusters else None
