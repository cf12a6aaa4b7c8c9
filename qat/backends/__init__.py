"""Who prepares and converts, behind one protocol: torch's FX graph mode, Horizon's plugin; the observing loop."""
