"""Past tense of invented verbs (after Weissweiler et al., arXiv 2310.15113). Rules of 2025."""

from babylm.evaluation.tasks._wug import wug_task

TASK = wug_task("wug_past", "WUG past", order=9, folder="wug_past_tense", count=50)
