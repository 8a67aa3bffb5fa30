"""Cleaning functions, one plug-in per file: ``NAME.py`` with ``clean(text: str) -> str``, applied to each document.

The package's own are small and stand together in `babylm.corpora.cleaning` and `babylm.corpora.formats`; users add
theirs with ``--plugins PATH`` as ``PATH/corpora/cleaners/NAME.py``.
"""
