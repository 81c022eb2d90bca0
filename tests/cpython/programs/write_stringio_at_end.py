import io, sys
out = sys.stdout = io.StringIO()
print('kept')
sys.__stdout__.write(out.getvalue())
