import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as text:
    print('a')
print(text.getvalue() * 2)
