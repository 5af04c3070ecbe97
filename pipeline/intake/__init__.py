"""From the files of the sources to landed rows: found, read once, and kept with an account of every line."""
