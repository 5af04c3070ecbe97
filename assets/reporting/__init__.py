"""What is said of a run and where: on the screen, in logs, as metrics, and in the Dagster UI."""
