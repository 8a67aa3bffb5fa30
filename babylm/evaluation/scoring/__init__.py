"""How a model gives texts their log-probabilities."""
