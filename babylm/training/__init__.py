"""Training: a thin LightningModule and DataModule around the plan, the objective and the network, and callbacks."""
