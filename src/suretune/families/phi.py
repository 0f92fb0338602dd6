"""Phi: from Phi-3 on the plain decoder layer, with q, k, v and gate, up merged already.

Phi 1 and 2 compute attention and MLP from one norm, side by side: transformers' modules do that.
"""

from suretune.families.family import MERGED, Architecture, Family, FusedLayers, window_of_config

FAMILY = Family(
    "phi",
    ("Phi", "Microsoft"),
    (
        Architecture("phi"),
        Architecture("phi3", fused=FusedLayers(groups=MERGED, window=window_of_config)),
    ),
)
