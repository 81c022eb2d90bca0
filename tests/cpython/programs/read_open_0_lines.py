n, *rows = open(0)
print(int(n), [row.strip() for row in rows])
