"""Bad adapters that must not be sealed and good ones that must, and how many of each were.

`PYTHONPATH=tests python -m zoo` grows them and has them proved; `kinds` says what the bad ones are.
"""
