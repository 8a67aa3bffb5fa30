"""BoolQ (Clark et al., arXiv 1905.10044): does the passage answer the question with yes?"""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["boolq"]
