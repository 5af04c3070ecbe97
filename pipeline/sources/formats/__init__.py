"""The formats, a module each: what their records look like, and what their fields mean."""
