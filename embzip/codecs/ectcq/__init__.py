"""`ectcq`: trellis-coded quantization with the entropy coding of packed files in view."""
