"""The embedded reasoner: its demonstrations, its supervised training, its gate."""
