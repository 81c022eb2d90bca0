import sys
x = 5
main = sys.modules['__main__']
print(main.x, vars(main) is globals(), '__builtins__' in globals())
