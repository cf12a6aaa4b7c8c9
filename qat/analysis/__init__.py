"""Where accuracy is lost: each layer's error, ranges and cost, what the scheme left out, and what to try next."""
