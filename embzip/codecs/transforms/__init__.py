"""Matrix -> matrix, before a quantizer: rotations, means, norms."""
