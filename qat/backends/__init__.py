"""Who quantises: FX graph mode with real int8 kernels."""
