"""Converts a catalog to asset specs, and finds the catalog and the selection again in a run.

`specs` returns the specs of a `DuneCatalog` and a translator, from which `assets` builds definitions. A `DuneAssetSet`
is the selection of a step, which `_execution` runs.
"""
