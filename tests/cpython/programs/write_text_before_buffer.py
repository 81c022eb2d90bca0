import sys
print('text')
sys.stdout.flush()
sys.stdout.buffer.write(b'raw\n')
