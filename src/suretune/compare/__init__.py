"""Runs side by side: the same questions to each."""
