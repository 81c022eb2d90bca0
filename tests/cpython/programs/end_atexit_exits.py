import atexit, sys
atexit.register(lambda: sys.exit(3))
print('main')
