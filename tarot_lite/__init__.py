"""tarot_lite: curriculum reinforcement fine-tuning for code on one GPU, a reproduction of TAROT (arXiv 2602.15449)."""

__version__ = "0.1.0"
