print(hash(2**61), hash(1.5), hash((1, 2)) == hash((1, 2)))
