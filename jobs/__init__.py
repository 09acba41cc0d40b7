"""The work: what happens inside a worker process. Knows nothing of the web."""
