"""An experiment: pieces that run once and are kept, within a time limit, and what they measured.

Loads no torch on import.
"""

from babylm.studies.experiment import inputs
from babylm.studies.experiment.figures import draw_means
from babylm.studies.experiment.measurements import Measurement, Measurements
from babylm.studies.experiment.pieces import Condition, Piece
from babylm.studies.experiment.runner import Experiment, run_study
from babylm.studies.experiment.summary import Summary
from babylm.studies.experiment.time_limit import StudyStopped, TimeUp

__all__ = [
    "Condition",
    "Experiment",
    "Measurement",
    "Measurements",
    "Piece",
    "StudyStopped",
    "Summary",
    "TimeUp",
    "draw_means",
    "inputs",
    "run_study",
]
