"""The pages of one execution's result: which, in what order, several at once, checked and counted.

What a page is made into is the reader's affair: record batches (`dagster_dune.frames`), or rows as JSON has them
(`json_rows`). Nothing here needs Arrow.
"""
