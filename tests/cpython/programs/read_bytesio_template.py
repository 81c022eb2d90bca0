import io, os
buffer = io.BytesIO(os.read(0, os.fstat(0).st_size))
input = buffer.readline
n = int(input())
print(n, [int(word) for word in input().split()])
