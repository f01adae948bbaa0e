"""Arrays on disk in fewer bytes: entropy coded, in blocks that are decoded one at a time.

An array is seen as symbols (`views`), each in a context, for which a table of whole-number
frequencies stands in the file (`models`). 256 rows form a block, coded by `constriction`
(`blocks`). `record` is what a header says of that; `choosing` packs, `arrays` reads;
`tensors` does so for all tensors of a file. Knows no codec and no file.
"""
