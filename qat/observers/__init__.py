"""What is seen of a tensor, and the grid that is chosen for it: statistics become scales and zero points."""
