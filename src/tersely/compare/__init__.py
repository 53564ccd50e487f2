"""One page that compares a family with the simple alternatives: from run folders, or from the paper's own tables."""

from tersely.compare.write import write_comparison, write_published

__all__ = ["write_comparison", "write_published"]
