"""Files as people have them, and what becomes of those that are nearly right: `python -m fuzz`."""
