import re, string, textwrap
print(re.sub(r'(\d+)', lambda m: str(int(m[1]) * 2), 'a1b22'), string.ascii_lowercase[:3], textwrap.fill('a b c', 3))
