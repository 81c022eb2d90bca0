import threading, time
threading.Thread(target=lambda: time.sleep(30), daemon=True).start()
print('main ends')
