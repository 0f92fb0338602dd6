"""Floor 2: general questions that ship with the package, and whether an answer is right."""
