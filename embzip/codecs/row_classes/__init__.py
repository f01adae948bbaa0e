"""`tcq` and `mixed`: rows form classes by length, and share bits with columns by water-filling."""
