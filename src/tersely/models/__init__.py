"""Finding, loading, saving and checking models."""
