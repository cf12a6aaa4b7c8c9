"""Statistics of a tensor and the grid that is chosen from them: scale and zero point."""
