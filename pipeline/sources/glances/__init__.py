"""Lines of nobody watched told at a glance, by templates that a log itself shows."""
