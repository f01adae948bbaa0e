"""Records -> terminal table, JSON, Markdown, one self-contained HTML page.

A record is the dictionary that stands in report.json; `record.py` says what is in it. Nothing
here trains or chooses.
"""

from embzip.report.comparing import compare, read_record, renderer, write_report
from embzip.report.html import to_html
from embzip.report.markdown import to_markdown
from embzip.report.terminal import render_terminal

__all__ = [
    "compare",
    "read_record",
    "render_terminal",
    "renderer",
    "to_html",
    "to_markdown",
    "write_report",
]
