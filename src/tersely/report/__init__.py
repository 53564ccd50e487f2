"""Run folders in, one page out. Imported by nobody but the commands; deleting it breaks nothing else."""

from tersely.report.write import write_report

__all__ = ["write_report"]
