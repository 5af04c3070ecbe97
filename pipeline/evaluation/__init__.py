"""Judging detection methods on labelled worlds: recall, false alerts and time to detect at equal alert budgets.

Labels stay here: a method sees daily bytes, roles and a noisy share of what a site could know, never who stole. How
worlds are simulated is in `pipeline.simulate`, how a method works in `pipeline.methods`.
"""
