"""Whether every link, picture and style sheet inside a folder of web pages leads somewhere: ``python links.py FOLDER``.

Addresses of other places on the web are not asked; whether they answer today is not the book's doing.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The addresses that a page names, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name, tag) in {("href", "a"), ("href", "link"), ("src", "img"), ("src", "script")}:
                self.links.add(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


def dead(folder: Path) -> list[str]:
    """Each dead link as ``page: address``, in order."""
    pages = {path.resolve(): _Page(path) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        raise FileNotFoundError(f"no web page in {folder}; build the book first (make book)")
    found = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else None
            missing = parts.fragment and anchors is not None and unquote(parts.fragment) not in anchors
            if not target.exists() or missing:
                found.append(f"{path.relative_to(folder.resolve())}: {link}")
    return found


if __name__ == "__main__":
    faults = dead(Path(sys.argv[1]))
    print(*faults or ["every link inside the book leads somewhere"], sep="\n")
    sys.exit(bool(faults))
