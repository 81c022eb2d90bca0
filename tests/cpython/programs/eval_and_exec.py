exec('y = 3')
print(eval('y + 1'), globals()['y'])
