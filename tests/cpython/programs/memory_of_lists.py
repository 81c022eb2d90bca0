rows = [[0] * 1000 for _ in range(1000)]
print(sum(map(len, rows)))
