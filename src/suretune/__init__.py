"""Fine-tune a language model in seconds, and prove that it worked."""

__version__ = "0.1.0"
