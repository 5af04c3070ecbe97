"""Rules tried on stored days: what they would say, what they could find, and why they said so."""
