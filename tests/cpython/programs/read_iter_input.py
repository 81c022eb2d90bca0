print(list(iter(input, 'end')))
