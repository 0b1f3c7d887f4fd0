"""The wire models of Dune's API, for requests and answers. Their names are those of Dune's OpenAPI document.

They accept answers to which Dune has added fields, words or tiers, and answers without the fields on which nothing
depends.

The names are listed in ``__init__.pyi``; a module is imported when one of its names is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
