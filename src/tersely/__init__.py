"""tersely: train reasoning models to reach the right answer with fewer tokens.

Importing tersely is light: torch and transformers are loaded only by the rooms that need them.
"""

from __future__ import annotations

__version__ = "0.1.0"
