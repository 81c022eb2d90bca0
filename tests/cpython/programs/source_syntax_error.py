print('never')
if:
