while (n := int(input())):
    print(f'{n=} {n:>4} {n!r}')
