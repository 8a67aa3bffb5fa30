"""Nouns of invented adjectives (Hofmann et al., arXiv 2411.07990), *-ability* or *-ableness*? Rules of 2025."""

from babylm.evaluation.tasks._wug import wug_task

TASK = wug_task("wug_adj", "WUG adj", order=8, folder="wug_adj_nominalization", count=200)
