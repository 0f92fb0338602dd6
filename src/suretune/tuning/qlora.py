"""`--train_type qlora`: adapters beside a base whose linear layers are packed into NF4.

After QLoRA (Dettmers et al. 2023, arXiv 2305.14314): 4 bits a value, a scale for each block of 64,
and those scales in 8 bits again, in blocks of 256. The numbers are in `model/nf4.py`.
"""

from __future__ import annotations

from suretune.tuning.door import Tuner

NF4 = "nf4"
BLOCK = 64  # values with one scale
SCALES = 256  # scales with one step
AT_ONCE = 1 << 24  # values that are unpacked together: what that takes beside the result is bounded


def nf4_bytes(bytes_each: float = 0.0) -> float:
    """Bytes of a value, its share of the scales and of their steps included; of a large matrix,
    whatever the run's dtype is: codes of 4 bits, scales of 8, steps of float32."""
    return 1 / 2 + 1 / BLOCK + 4 / (BLOCK * SCALES)


QLORA = Tuner("qlora", NF4, nf4_bytes)
