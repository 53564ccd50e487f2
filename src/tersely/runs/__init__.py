"""The disk: logs, seals, identity, locks, run folders."""
