Last = type('Last', (), {'__del__': lambda self: print('made', text)})
text = 'x'
last = Last()
