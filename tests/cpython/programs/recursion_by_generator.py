def bootstrap(f, stack=[]):
    def wrapped(*args):
        if stack:
            return f(*args)
        to = f(*args)
        while True:
            if hasattr(to, "send"):
                stack.append(to)
                to = next(to)
            else:
                stack.pop()
                if not stack:
                    return to
                to = stack[-1].send(to)
    return wrapped
@bootstrap
def depth(n):
    yield 0 if n == 0 else 1 + (yield depth(n - 1))
print(depth(5000))
