import random
random.seed(7)
print(random.random(), random.randint(1, 100), random.sample(range(10), 3))
