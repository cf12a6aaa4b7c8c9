"""Whether what was compiled is right: files, tensors, stage outputs, runtimes."""
