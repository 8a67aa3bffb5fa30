"""Fine-tuning of a language model into a classifier of text pairs, as the official pipeline does it."""
