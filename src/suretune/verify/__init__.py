"""Floor 4: measure the result: probes, skills, the proof in a fresh process, the report."""
