"""What holds for every test: one hypothesis profile, without deadlines, as time decides nothing here."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("tersely", deadline=None)
settings.load_profile("tersely")
