"""Callbacks: saving, measuring, logging. One concern per file; none changes what is learnt."""
