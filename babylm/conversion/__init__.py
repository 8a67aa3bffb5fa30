"""Bring runs and revisions that were written before 0.1.0's names over; the command is ``python -m babylm.convert``."""
