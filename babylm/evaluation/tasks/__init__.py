"""Tasks, one file each: ``VERSION``, ``items(data, limit)`` and ``score(scorer, items)``.

``data`` is the folder of the official evaluation data (``evaluation.data``), ``limit`` the largest number of items a
file.
"""
