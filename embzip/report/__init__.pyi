# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .comparing import compare as compare
from .files import read_record as read_record
from .files import renderer as renderer
from .files import write_report as write_report
from .html import to_html as to_html
from .markdown import to_markdown as to_markdown
from .terminal import render_terminal as render_terminal
