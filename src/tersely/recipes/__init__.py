"""Shipped recipes: TOML files that resolve to a ``tersely.config.TrainConfig``."""
