"""Something to choose from in a notebook: a widget where a kernel answers, and folded HTML where nobody is there to ask.

One call serves both.  In JupyterLab, VS Code or Colab it is a drop-down list whose choice is rendered when it is made.
Under nbconvert and papermill every choice is rendered at once and folded away, so that the stored notebook, the report
and the book let their readers choose without a kernel, without JavaScript, and without a file beside them.
"""

from __future__ import annotations

import html
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import Widget

_WRAP = "white-space: pre-wrap; overflow-wrap: anywhere"
_TABLES = (  # ipywidgets takes from a table what the notebook's own style gives it
    "<style>.tarot-browse :is(th, td) { padding: 0.1em 1em 0.1em 0; text-align: left; vertical-align: top; line-height: 1.5 }"
    "</style>"
)


@dataclass(frozen=True)
class Folded:
    """What `browse` shows where no kernel answers: one folded section for each choice, the first one open.

    Parameters
    ----------
    label
        What is chosen, one word or two.
    sections
        Name of each choice and the HTML of what it shows.
    """

    label: str
    sections: tuple[tuple[str, str], ...]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        names = ", ".join(name for name, _ in self.sections)
        return {"text/html": self._repr_html_(), "text/plain": f"Choose one {self.label} of {names}."}

    def _repr_html_(self) -> str:
        # sections of one name: opening one closes the others, as far as the browser knows that
        group = f"browse-{zlib.crc32(repr(self.sections).encode()):08x}"
        parts = [
            f'<details name="{group}"{"" if number else " open"} style="margin: 0.2em 0">'
            f'<summary style="cursor: pointer">{html.escape(self._title(name))}</summary>'
            f'<div style="margin: 0.4em 0 0.8em 1em; overflow-x: auto">{shown}</div></details>'
            for number, (name, shown) in enumerate(self.sections)
        ]
        return f"<div>{''.join(parts)}</div>"

    def _title(self, name: str) -> str:
        return name if name.startswith(self.label) else f"{self.label}: {name}"  # not "step: step 3"


def browse(
    options: Sequence[Any] | Mapping[str, Any], render: Callable[[Any], Any], label: str = "choose"
) -> Widget | Folded:
    """Let the reader choose one option and see what `render` makes of it; the last value of a cell.

    Parameters
    ----------
    options
        What to choose from, at least one.  A mapping gives each option a name of its own; else its `str` is shown.
    render
        Takes one option, gives what `as_html` can show: a text or program, a table, a picture, a mapping, or several
        of these in a list.  Without a live kernel it is called for every option, so let it be quick and the options few
        (some dozens).
    label
        What is chosen, one word or two: ``problem``, ``attack``.

    Returns
    -------
    Widget or Folded
        A drop-down list of ipywidgets if a front end that can answer ran the cell, else the folded sections.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or if two options have the same name.

    Examples
    --------
    >>> browse([1, 2, 3], lambda n: {"square": n * n, "cube": n**3}, "number").sections[1]
    ('2', '<table><tbody><tr><th>square</th><td>4</td></tr><tr><th>cube</th><td>8</td></tr></tbody></table>')
    """
    pairs = list(options.items()) if isinstance(options, Mapping) else [(str(option), option) for option in options]
    names = [name for name, _ in pairs]
    if not pairs:
        raise ValueError(f"there is no {label} to choose from; give browse at least one option")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two options are called {twice!r}; give browse a mapping with a name for each {label}")
    if _answers():
        return _dropdown(pairs, render, label)
    return Folded(label, tuple((name, as_html(render(option))) for name, option in pairs))


def as_html(shown: Any) -> str:
    """HTML of something that `browse` shows.

    Examples
    --------
    >>> as_html("1 < 2").endswith("1 &lt; 2</pre>")
    True
    >>> as_html(3)
    Traceback (most recent call last):
    ...
    TypeError: int (3) has no HTML; let render give a text, a table, a picture, a mapping, or a list of these
    """
    if isinstance(shown, str):
        return f'<pre style="{_WRAP}">{html.escape(shown)}</pre>'
    if isinstance(shown, Mapping):
        rows = (f"<tr><th>{html.escape(str(k))}</th><td>{_cell(v)}</td></tr>" for k, v in shown.items())
        return f"<table><tbody>{''.join(rows)}</tbody></table>"
    if isinstance(shown, list | tuple):
        return "".join(map(as_html, shown))
    if hasattr(shown, "itertuples"):
        return _table(shown)
    if hasattr(shown, "_repr_html_"):
        return str(shown._repr_html_())
    if hasattr(shown, "_repr_mimebundle_"):  # a saved figure: Picture
        data, metadata = shown._repr_mimebundle_()
        alt = html.escape(metadata["image/png"]["alt"], quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"]}" style="max-width: 100%">'
    kind = type(shown).__name__
    raise TypeError(
        f"{kind} ({shown!r}) has no HTML; let render give a text, a table, a picture, a mapping, or a list of these"
    )


def _table(frame: Any) -> str:
    """A data frame with its line breaks, which pandas would write as ``\\n``; its index only if that has a name."""
    named = frame.reset_index() if any(frame.index.names) else frame
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in named.columns)
    rows = ("".join(f"<td>{_cell(value)}</td>" for value in row) for row in named.itertuples(index=False))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    text = html.escape(str(value))
    return f'<span style="{_WRAP}">{text}</span>' if "\n" in text else text


def _answers() -> bool:
    """Whether the front end that runs this cell can ask a person; nbconvert, papermill and nbval tell the kernel no."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    get_parent = getattr(get_ipython(), "get_parent", None)  # a Jupyter kernel has it, a terminal has not
    return bool(get_parent and get_parent().get("content", {}).get("allow_stdin"))


def _dropdown(pairs: Sequence[tuple[str, Any]], render: Callable[[Any], Any], label: str) -> Widget:
    import ipywidgets

    choice = ipywidgets.Dropdown(options=pairs, description=label, layout={"width": "min(100%, 32em)"})
    view = ipywidgets.HTML(_TABLES + as_html(render(choice.value)))
    view.add_class("tarot-browse")
    choice.observe(lambda change: setattr(view, "value", _TABLES + as_html(render(change["new"]))), names="value")
    return ipywidgets.VBox([choice, view])
