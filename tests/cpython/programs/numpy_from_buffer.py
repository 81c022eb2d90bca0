import sys
import numpy as np
read = sys.stdin.buffer.read
n, *a = map(int, read().split())
print(n, np.sort(np.array(a)))
