"""What each command of `nilometer` asks for and prints; the work is done elsewhere."""
