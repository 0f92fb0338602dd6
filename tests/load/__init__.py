"""Load and abuse of a real `suretune serve`: `python -m load`, or `make load`."""
