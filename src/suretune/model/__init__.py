"""Floor 3: load a base, attach adapters, attend within rows, answer."""
