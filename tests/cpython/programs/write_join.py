import sys
sys.stdout.write('\n'.join(map(str, range(5))))
