"""MNLI (Williams et al., arXiv 1704.05426): does the premise entail the hypothesis, say nothing of it, or deny it?"""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["mnli"]
