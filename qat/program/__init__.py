"""What the network is in integers: steps, and how a calibrated graph becomes them."""
