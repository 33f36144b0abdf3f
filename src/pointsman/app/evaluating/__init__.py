"""Evaluations: asking for them, working on them, and what policies make of their results."""
