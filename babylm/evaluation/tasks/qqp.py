"""QQP (Iyer et al., 2017): are two questions the same? Scored by F1."""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["qqp"]
