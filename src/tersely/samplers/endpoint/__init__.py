"""An OpenAI-compatible server as an engine that only samples: texts go out, texts with counted tokens come back."""

from __future__ import annotations

from tersely.samplers.endpoint.address import Endpoint, endpoint_at

__all__ = ["Endpoint", "endpoint_at"]
