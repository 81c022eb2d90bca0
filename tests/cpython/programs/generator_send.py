def total():
    t = 0
    while True:
        t += yield t
g = total()
next(g)
print(g.send(3), g.send(4))
