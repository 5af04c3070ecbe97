"""Runs and the processes they are made by: which live, how they are told apart, and how they stop."""
