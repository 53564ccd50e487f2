"""Chains of our own commands."""
