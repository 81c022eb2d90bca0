"""Which modules of the standard library the fork servers load before they serve."""

from __future__ import annotations

COMMON = (
    "array bisect cmath collections.abc contextlib copy enum functools heapq io itertools math operator os random "
    "re string threading time typing"
).split()
"""What contest programs import, and what calls a function of theirs: loaded once, shared by every fork."""
LIBRARY = (
    "ast base64 binascii calendar csv dataclasses datetime decimal difflib fractions hashlib inspect json "
    "logging numbers pprint queue secrets selectors socket statistics struct textwrap traceback unicodedata uuid zlib"
).split()
"""What a few of them import: loaded by workers of another kind, as a fork takes longer the more it has to copy."""
