import os, sys
print('lost')
os.write(1, b'kept')
os._exit(0)
