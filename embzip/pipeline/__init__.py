"""A recipe (TOML) -> steps, cached by what goes into them, resumable -> the before/after report.

`recipe` and `candidate` say what is asked for, `corpora` and `plan` which steps that takes,
`steps` keeps what was made, `running` runs them. The public names stand in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
