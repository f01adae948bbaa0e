"""Float32 vectors with a vocabulary: reads, writes, trains, prunes and transfers them."""
