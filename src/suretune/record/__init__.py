"""What a run folder is: its journal, its files, and which folder a name means."""
