import numpy as np, sys
a = np.fromstring(sys.stdin.read(), dtype=np.int64, sep=' ')
print(a[1:].max())
