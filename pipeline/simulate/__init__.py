"""Simulated companies and their flow logs, for the demo and the tests; nothing here is used on real data."""
