import gc
gc.disable()
gc.freeze()
print(gc.isenabled())
