"""Stages around a quantizer: what they keep of each row besides its codes."""
