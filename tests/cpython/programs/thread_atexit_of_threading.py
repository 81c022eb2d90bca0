import threading, atexit
atexit.register(lambda: print('exit after', threading.active_count()))
threading.Thread(target=print, args=('thread',)).start()
