import io, sys
sys.stdout = io.TextIOWrapper(open(1, 'wb', buffering=1 << 16), write_through=False)
print('x' * 10)
