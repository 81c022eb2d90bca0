"""tarot_lite: curriculum reinforcement fine-tuning for code on one GPU, a reproduction of TAROT (arXiv 2602.15449)."""

from tarot_lite.exact import settle as _settle

__version__ = "0.1.0"

_settle()  # before anything numerical is imported
