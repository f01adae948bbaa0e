"""Judging: accuracy and paired tests, how near a table is to another or to the bound, serving."""
