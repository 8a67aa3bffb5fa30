"""A run, or several, as one self-contained page: facts, curves, tables, examples."""
