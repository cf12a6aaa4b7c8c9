"""Video: a reader, batched inference and a writer, each a process of its own; torch is the middle one's affair."""
