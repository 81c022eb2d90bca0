import math
print(math.comb(100, 50), pow(3, 1000, 10**9 + 7), 2 ** 200, math.isqrt(10**40))
