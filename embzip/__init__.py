"""embzip."""
