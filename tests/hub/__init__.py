"""A hub on this machine, over real HTTP, that speaks as Hugging Face and as ModelScope do."""
