"""The tables that the official reading task writes besides its score; nothing in them is scored.

``correlations.txt``: of surprisal with each measure; ``predictive_power.jsonl``: regressions of each measure with and
without surprisal; ``predictive_power_spillover.jsonl``: the same with the previous word in the baseline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babylm.evaluation.tasks.reading import BASELINE, EYE_TRACKING, SELF_PACED

MEASURES = (*EYE_TRACKING, SELF_PACED, "ELAN", "LAN", "N400", "P600", "EPNP", "PNP")
"""Reading times, and amplitudes of event-related potentials."""
TABLES = {
    "predictive_power.jsonl": BASELINE,
    "predictive_power_spillover.jsonl": (*BASELINE, "prev_length", "prev_pred"),
}
"""Main effects of the baseline; all their products of two are in it too."""


def reports(data: Path, lines: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Texts by file name, for the words in ``data`` (``reading_data.csv``) and the surprisals of the predictions.

    A measure that the data lacks is left out.
    """
    import pandas

    frame = pandas.read_csv(data)
    frame["pred"], frame["prev_pred"] = ([line[key] for line in lines] for key in ("pred", "prev_pred"))
    measures = [name for name in MEASURES if name in frame]
    correlations = frame[["pred", *measures]].corr()["pred"]
    texts = {"correlations.txt": "".join(f"{name}\t{correlations[name]:.4f}\n" for name in measures)}
    for name, baseline in TABLES.items():
        texts[name] = "".join(json.dumps(_regression(frame, measured, baseline)) + "\n" for measured in measures)
    return texts


def _regression(frame: Any, measured: str, baseline: Sequence[str]) -> dict[str, Any]:
    import statsmodels.formula.api as formulas

    formula = f"{measured} ~ ({' + '.join(baseline)}) ** 2"
    # As officially: the baseline is fitted to its own complete rows, which are those with surprisal and perhaps more.
    without = formulas.ols(formula, data=frame[[measured, *baseline]].dropna()).fit()
    fit = formulas.ols(f"{formula} + pred", data=frame[[measured, *baseline, "pred"]].dropna()).fit()
    return {
        "Predicted variable": measured,
        "Coefficient": float(fit.params["pred"]),
        "Number of standard deviations": float(fit.tvalues["pred"]),
        "P-value": float(fit.pvalues["pred"]),
        "R2": float(fit.rsquared),
        "Change in R2 from baseline": float(fit.rsquared - without.rsquared),
        "AIC": float(fit.aic),
        "Change in AIC from baseline": float(fit.aic - without.aic),
    }
