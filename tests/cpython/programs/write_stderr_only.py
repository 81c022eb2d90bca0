import sys
print('to nobody', file=sys.stderr)
sys.stderr.write('x')
