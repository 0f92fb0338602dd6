"""Clients that people use, one after another, at a real server behind nginx: `make clients`."""
