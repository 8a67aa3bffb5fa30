"""The transformer. This folder imports nothing of the package: it is copied as it stands into every revision."""
