for i in range(2): print(i)
if 1: print('end')
