"""`DuneComponent`: a folder, a document or an account as all definitions of a code location.

It converts YAML to Dagster definitions, with `definitions`. `fields` resolves the fields of the YAML, `account_reader`
and `state` read the catalog or fall back to an older one, and `shared_assets` avoids duplicate external assets.
"""
