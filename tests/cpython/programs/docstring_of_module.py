"""About."""
print(__doc__, __name__)
