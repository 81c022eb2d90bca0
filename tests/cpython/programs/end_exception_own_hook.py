import sys
sys.excepthook = lambda *error: print('caught', error[0].__name__)
print('a')
raise KeyError(1)
