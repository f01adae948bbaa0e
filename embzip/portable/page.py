"""A classifier as one page: a text field that answers while one types, with nothing to download."""

import html
from importlib.resources import files

_MODULE = "/*@module@*/"


def page_source(module: str, title: str) -> str:
    """Return the page around the source of an ES module.

    Parameters
    ----------
    module
        What `js_source` returned; names of labels stand in it as base64 only.
    title
        Of the page.

    Examples
    --------
    >>> "<title>a &lt; b</title>" in page_source("", "a < b")
    True
    """
    template = (files("embzip.portable") / "templates" / "page.html").read_text("utf-8")
    before, after = template.replace("@title@", html.escape(title)).split(_MODULE)
    return before + module + after
