"""`--train_type lora`: adapters beside a base that is computed with as its files have it."""

from __future__ import annotations

from suretune.tuning.door import Tuner

LORA = Tuner("lora", "", lambda bytes_each: bytes_each)
