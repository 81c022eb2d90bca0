class Last:
    def __del__(self):
        raise ValueError
last = Last()
print('fine')
