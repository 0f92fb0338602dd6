"""Faults on purpose: kills, full disks, poisoned weights, fuzzed and hostile files, clean runs.

    make chaos                                     everything, bounded in time
    PYTHONPATH=tests python -m chaos --only kills  one part

A part plants what its table says and looks at what a user would see: exit status, findings, files.
Production code has no hooks for this; faults come from outside it.
"""
