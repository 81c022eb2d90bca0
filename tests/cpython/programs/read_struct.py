import sys, struct
print(struct.unpack('>H', sys.stdin.buffer.read(2)))
