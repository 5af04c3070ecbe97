"""What files and sources are like, told without storing anything, and what has changed about them."""
