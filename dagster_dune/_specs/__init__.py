"""From a catalog to asset specs: which objects are assets, and what each depends on.

In comes a `DuneCatalog` with a translator, out go Dagster's specs and, in a run, the `DuneAssetSet` that is selected.
`assets` makes definitions of them, `_execution` runs them.
"""
