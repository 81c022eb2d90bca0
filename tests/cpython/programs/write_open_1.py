out = open(1, 'w')
out.write('not closed, not flushed')
