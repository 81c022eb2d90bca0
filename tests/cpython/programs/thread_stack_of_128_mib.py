import threading
print(threading.stack_size(1 << 27))
print(threading.stack_size())
t = threading.Thread(target=print, args=('ran',))
t.start()
t.join()
