"""WSC (Levesque et al., 2012; SuperGLUE): is this what the pronoun refers to? Thirty epochs on 554 examples."""

from babylm.evaluation.tasks._glue import TASKS

TASK = TASKS["wsc"]
