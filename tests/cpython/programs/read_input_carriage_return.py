print(repr(input()), int(input()))
