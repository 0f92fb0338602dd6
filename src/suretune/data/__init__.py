"""From files to a plan: rows, examples, samples. Nothing here needs torch."""
