"""Tasks, one file each, whose ``TASK`` is a `babylm.evaluation.task.Task`; helpers of several begin with ``_``."""
