"""One function a stage; the only place that loads stages, chooses backends and knows the order of things."""
