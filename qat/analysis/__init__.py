"""Where accuracy is lost: each layer's error, ranges and cost, the layers outside the scheme, what to try next."""
