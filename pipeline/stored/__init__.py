"""Stored days: the stages that make them, what state each is in, why, and how long they are kept."""
