import sys
input = sys.stdin.readline
n = int(input())
print(n, list(map(int, input().split())))
