"""Revisions and what is handed in."""
