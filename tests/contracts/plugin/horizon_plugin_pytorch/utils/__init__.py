"""Old home of the profiler."""
