"""A run, several, or a folder of runs as one self-contained page: scores, curves, tables, examples.

The modules read a `babylm.runs.Run` and return `blocks`; one template shows them.
"""
