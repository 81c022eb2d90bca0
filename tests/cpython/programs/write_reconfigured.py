import sys
sys.stdout.reconfigure(line_buffering=True, newline='\r\n')
print('a')
print('b')
