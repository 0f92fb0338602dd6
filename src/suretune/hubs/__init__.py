"""Hubs: models and datasets that lie elsewhere, fetched once and named by their content.

One file a hub; each gives `HUB`, found by `hub_named`. What is common to all of them stands here:
which hub a name means (`names`), requests (`wire`), files that arrive whole or not at all
(`fetch`), and which files of a dataset are read (`choose`).
"""
