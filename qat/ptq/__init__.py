"""Methods on a prepared graph that make a calibration better: `methods` is the table, one file or folder a method."""
