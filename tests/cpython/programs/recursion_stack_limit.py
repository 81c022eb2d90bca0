import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (1 << 28, resource.getrlimit(resource.RLIMIT_STACK)[1]))
sys.setrecursionlimit(10 ** 6)
print(sum(range(10)))
