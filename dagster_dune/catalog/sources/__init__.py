"""Where catalogs come from: a folder of ``.sql`` files, an account, or both.

In come files and answers of the API, out go the objects that a `DuneCatalog` holds.
"""
