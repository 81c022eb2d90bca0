s = input()
print(len(s), s.upper(), s.encode())
