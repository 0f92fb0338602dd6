"""Floor 4: spend the compute: the loop, its optimizer, its checkpoints."""
