"""MRPC (Dolan and Brockett, 2005): do two sentences say the same? Scored by F1."""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["mrpc"]
