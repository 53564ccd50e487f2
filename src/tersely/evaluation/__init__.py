"""Measuring a model: responses to held-out problems, judged and counted, resumable response by response."""

from __future__ import annotations

from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import Evaluation, read_curve, read_evaluation, read_responses

__all__ = ["EvalProtocol", "Evaluation", "read_curve", "read_evaluation", "read_responses"]
