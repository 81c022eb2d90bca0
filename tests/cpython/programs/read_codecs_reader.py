import codecs, sys
reader = codecs.getreader('utf-8')(sys.stdin.buffer)
print(reader.readline())
