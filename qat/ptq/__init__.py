"""What makes calibration good: statistics, and the search for a quantisation range in them."""
