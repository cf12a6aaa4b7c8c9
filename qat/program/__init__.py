"""The network in integers: steps, and how a calibrated graph becomes steps."""
