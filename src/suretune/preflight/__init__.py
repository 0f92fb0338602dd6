"""Everything that is known before weights are loaded: rows, plan, flags, machine, stops."""
