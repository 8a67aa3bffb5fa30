"""Small-scale pretraining under data constraints: corpora, training, evaluation and BabyLM submissions."""

__version__ = "0.1.0"
