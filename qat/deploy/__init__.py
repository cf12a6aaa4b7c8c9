"""What a device runs beside the network, in numpy and OpenCV alone: pictures in, decoded results out."""
