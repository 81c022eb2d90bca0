import json, sys
print(json.dumps(json.loads(input()), sort_keys=True, ensure_ascii=False))
