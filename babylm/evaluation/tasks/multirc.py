"""MultiRC (Khashabi et al., 2018): is this answer to a question about a paragraph right?"""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["multirc"]
