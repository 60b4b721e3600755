"""A world in memory in which everything goes wrong, judged by what is true at its clouds."""
