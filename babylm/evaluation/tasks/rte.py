"""RTE (Dagan et al., 2005, and later rounds): does the first sentence entail the second (0) or not (1)?"""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["rte"]
