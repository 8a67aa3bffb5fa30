"""Tasks, one file each: ``VERSION``, ``CHANCE``, ``items(data, limit, suite, rules)``, ``score(scorer, items, rules)``.

``data`` is the folder of the official evaluation data (``evaluation.data``), with its ``full_eval`` and ``fast_eval``;
``limit`` the largest number of items a file; ``suite`` says which of the two folders (``fast`` or ``full``); ``rules``
is the year (2025 or 2026). ``CHANCE`` is the score of guessing, a share.
"""
