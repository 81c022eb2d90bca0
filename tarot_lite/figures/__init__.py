"""Every plot of the package, one module per stage: tidy result tables in, `matplotlib.figure.Figure` out."""
