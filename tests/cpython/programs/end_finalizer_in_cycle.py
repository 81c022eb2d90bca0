class Last:
    def __del__(self):
        print('cycle', word)
word = input()
last = Last()
last.me = last
