"""Where Unsloth looks whether the kernels are there."""

from . import flash_attn_func, flash_attn_varlen_func, flash_attn_with_kvcache

flash_attn_gpu = flash_attn_cuda = object()

__all__ = ["flash_attn_func", "flash_attn_varlen_func", "flash_attn_with_kvcache"]
