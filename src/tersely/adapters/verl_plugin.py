"""Imported by verl itself, in every process, through the entry point ``verl.plugins``: makes our estimator known."""

from tersely.adapters.verl import register

register()
