import threading, time
def late():
    time.sleep(0.05)
    print('late', word)
word = 'w'
threading.Thread(target=late).start()
print('main')
