import os
data = os.read(0, os.fstat(0).st_size)
print(data.decode().split())
