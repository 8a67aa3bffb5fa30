"""Tests, intervals and effects for studies, through scipy and statsmodels (``pip install 'babylm[eval]'``).

Every function takes arrays and returns numbers; the same data give the same numbers, as every random draw comes from
`babylm.randomness.resampling_generator`. Importing this package loads neither scipy nor statsmodels.
"""

from babylm.studies.statistics.paired import Paired, benjamini_hochberg, mcnemar_test, sign_flip_test
from babylm.studies.statistics.regression import Effect, logistic_effects
from babylm.studies.statistics.resampling import Interval, achieved_power, bootstrap_mean, spearman

__all__ = [
    "Effect",
    "Interval",
    "Paired",
    "achieved_power",
    "benjamini_hochberg",
    "bootstrap_mean",
    "logistic_effects",
    "mcnemar_test",
    "sign_flip_test",
    "spearman",
]
