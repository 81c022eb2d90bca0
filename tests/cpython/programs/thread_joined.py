import threading
t = threading.Thread(target=lambda: print('in a thread', input()))
t.start()
t.join()
