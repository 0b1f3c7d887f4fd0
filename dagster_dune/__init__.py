"""Dune queries and materialized views as Dagster assets, run through one pipeline call.

The names that users import stand in ``__init__.pyi``, each with the module that it comes from, which is imported when
the name is asked for: the command line and the parts below Dagster do without Dagster.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
