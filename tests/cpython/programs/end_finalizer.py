class Last:
    def __del__(self):
        print('last of', len(numbers))
numbers = [1, 2]
last = Last()
