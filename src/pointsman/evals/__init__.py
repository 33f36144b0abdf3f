"""How evidence is made: outputs, scores, and the worker that runs evaluations."""
