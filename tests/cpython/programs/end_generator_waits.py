def numbers():
    try:
        yield 1
    finally:
        print('closed', note)
note = 'n'
waiting = numbers()
print(next(waiting))
