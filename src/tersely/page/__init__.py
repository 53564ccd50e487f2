"""Run folders in, one page out. Imported by nobody but the commands; deleting it breaks nothing else."""
