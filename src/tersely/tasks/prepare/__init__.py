"""Training problems from raw ones, in one straight line: inputs, select (dedup, filters), report, page, run."""
