größe = 3
print(größe, 'π' + chr(960))
