import inspect
def f():
    return inspect.currentframe().f_code.co_name
print(f())
