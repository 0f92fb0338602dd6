"""Answers over HTTP as OpenAI's API has them: one engine, many adapters, nothing unproven."""
