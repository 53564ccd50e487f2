"""``python -m tersely``."""

from tersely.cli import main

raise SystemExit(main())
