"""Our objective inside the engines that people train with: TRL, verl, SkyRL, OpenRLHF; one file an engine.

An adapter converts what the engine holds, calls ``Objective.credit_flat`` and converts back: what is earned is decided
in ``tersely.objective`` alone. No engine is imported before its adapter is used.
"""
