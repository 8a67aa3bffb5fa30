"""Minimal pairs (sketch)."""


def minimal_pairs(seed):
    return {}


def write_pairs(folder, seed):
    return None
