import os, sys
if os.path.exists('input.txt'):
    sys.stdin = open('input.txt')
    sys.stdout = open('output.txt', 'w')
print(sum(map(int, sys.stdin.read().split())))
