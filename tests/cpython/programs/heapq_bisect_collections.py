import heapq, bisect
from collections import Counter, defaultdict, deque, OrderedDict
h = [3, 1, 2]
heapq.heapify(h)
print(heapq.heappop(h), bisect.bisect([1, 2, 2], 2), Counter('aab'), deque([1], maxlen=1), OrderedDict(a=1), defaultdict(int))
