import sys
for i in range(3):
    print('\r', i, end='', flush=True)
print()
