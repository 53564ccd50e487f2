"""Where problems come from, how they are asked, and which a step takes."""

from tersely.tasks.load import Task, load_task, task_digest

__all__ = ["Task", "load_task", "task_digest"]
