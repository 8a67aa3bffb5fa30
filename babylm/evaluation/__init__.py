"""Evaluation: tasks know a model only as a scorer, so any Hugging Face checkpoint can be scored, not only ours."""
