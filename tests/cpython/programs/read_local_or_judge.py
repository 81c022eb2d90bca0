import sys
if len(sys.argv) > 1:
    sys.stdin = open(sys.argv[1])
print(input())
