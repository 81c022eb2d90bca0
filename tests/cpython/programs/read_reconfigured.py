import sys
sys.stdin.reconfigure(encoding='latin-1', errors='replace')
print(len(input()))
