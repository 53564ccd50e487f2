"""Logs of other evaluators as evaluations of ours: by the content of their problems, with their own scores and counts.

To add a format: one file with ``knows`` and ``read``, and one line in ``formats.FORMATS``.
"""
