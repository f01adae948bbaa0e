"""Files of any kind: told apart, read, checked, named and written safely."""
