import sys
sys.stdout.buffer.write(b'raw\n')
print('text')
