import sys, threading
sys.setrecursionlimit(1 << 25)
threading.stack_size(1 << 29)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
def main():
    print(depth(int(input())))
thread = threading.Thread(target=main)
thread.start()
thread.join()
