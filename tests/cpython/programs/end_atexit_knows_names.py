import atexit
a = input()
atexit.register(lambda: print(a))
