import sys
def print(*values, **named):
    sep, file = named.pop("sep", " "), named.pop("file", sys.stdout)
    file.write(sep.join(map(str, values)) + named.pop("end", "\n"))
    if named.pop("flush", False):
        file.flush()
print(1, 2, sep="-")
print("end", end="", flush=True)
