"""Fast recognition of lines that are sound flows between unwatched ends, by patterns, so that they need no parsing."""
