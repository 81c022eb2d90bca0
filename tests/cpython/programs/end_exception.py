print('a')
raise RuntimeError('b')
