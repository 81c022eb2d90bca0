x = 1
if x:
    print('two lines', '''a
b''')
