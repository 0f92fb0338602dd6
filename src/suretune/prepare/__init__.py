"""Before the first run: the machine looked at, rows and probes to begin with, names."""
