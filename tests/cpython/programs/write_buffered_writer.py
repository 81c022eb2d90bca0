import io
out = io.BufferedWriter(io.FileIO(1, 'w', closefd=False))
out.write(b'waiting')
