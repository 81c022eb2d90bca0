match input().split():
    case ['go', where]:
        print(where)
    case _:
        print('?')
