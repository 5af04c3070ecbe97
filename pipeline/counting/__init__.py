"""What a byte counts for: once, on which day, at which layer, and in which direction."""
