from functools import lru_cache, reduce, cmp_to_key
from itertools import accumulate, permutations
@lru_cache(None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(80), list(accumulate([1, 2, 3])), len(list(permutations(range(5)))), sorted([2, 1], key=cmp_to_key(lambda a, b: a - b)))
