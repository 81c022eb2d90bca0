import atexit
atexit.register(lambda: print('told'))
raise ValueError('x')
