import sys
try:
    sys.exit(1)
except SystemExit:
    print('went on')
