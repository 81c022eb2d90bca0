import sys
stream = sys.__stdout__
for layer in (stream, stream.buffer, stream.buffer.raw):
    for attribute in ("mode", "name", "encoding", "errors", "newlines", "line_buffering", "write_through", "closed", "closefd"):
        print(attribute, getattr(layer, attribute, "none"))
    print(type(layer), repr(layer), layer.isatty(), layer.fileno(), layer.seekable(), layer.readable(), layer.writable())
