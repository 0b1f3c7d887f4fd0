"""The wire models of Dune's API: what is sent, and what is read of its answers.

Dune may add fields, words and tiers, and leave out or empty every field on which nothing depends: no answer is lost for
that. The names are those of Dune's OpenAPI document.

The names stand in ``__init__.pyi``; a module of them is imported when one of its names is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
