import os, sys
from io import BytesIO, IOBase

class Fast(IOBase):
    newlines = 0
    def __init__(self, file):
        self._number = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def read(self):
        while True:
            block = os.read(self._number, max(os.fstat(self._number).st_size, 8192))
            if not block:
                break
            at = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(block), self.buffer.seek(at)
        self.newlines = 0
        return self.buffer.read()
    def readline(self):
        while self.newlines == 0:
            block = os.read(self._number, max(os.fstat(self._number).st_size, 8192))
            self.newlines = block.count(b"\n") + (not block)
            at = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(block), self.buffer.seek(at)
        self.newlines -= 1
        return self.buffer.readline()
    def flush(self):
        if self.writable:
            os.write(self._number, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)

class Wrapper(IOBase):
    def __init__(self, file):
        self.buffer = Fast(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda text: self.buffer.write(text.encode("ascii"))
        self.read = lambda: self.buffer.read().decode("ascii")
        self.readline = lambda: self.buffer.readline().decode("ascii")

sys.stdin, sys.stdout = Wrapper(sys.stdin), Wrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\r\n")

def main():
    n = int(input())
    numbers = list(map(int, input().split()))
    sys.stdout.write(f"{n} {sorted(numbers)}\n")
    print(sum(numbers), file=sys.stdout)

if __name__ == "__main__":
    main()
