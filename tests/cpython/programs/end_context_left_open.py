import contextlib
@contextlib.contextmanager
def room():
    yield
    print('left')
r = room()
r.__enter__()
