"""Evaluation protocols as TOML files that a person reads; ``laconic.evaluate.suites`` reads them."""
