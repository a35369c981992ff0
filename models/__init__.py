"""Neural networks and their trainer, which make the runs that the laws are fitted to."""
