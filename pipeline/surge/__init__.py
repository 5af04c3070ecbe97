"""The surge method on stored days; the method itself is `pipeline.methods.surge`."""
