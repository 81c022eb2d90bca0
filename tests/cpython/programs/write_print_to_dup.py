import os, sys
number = os.dup(1)
with os.fdopen(number, 'w') as out:
    print('by another descriptor', file=out)
print('and the first')
