"""MLflow's tracking protocol, as far as its published client needs it to log and load models."""
