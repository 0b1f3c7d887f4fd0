"""`DuneComponent`: a folder, a document or an account as all definitions of a code location.

In comes YAML, out go the definitions that `definitions` makes. `fields` says how YAML is written, `account_reader` and
`state` where a catalog comes from and what is known when that fails, `shared_assets` what two components both show.
"""
