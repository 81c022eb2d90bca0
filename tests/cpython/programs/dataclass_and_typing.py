from dataclasses import dataclass, field
from typing import List
@dataclass(order=True)
class P:
    x: int
    y: List[int] = field(default_factory=list)
print(sorted([P(2), P(1, [3])]))
