import typing
class Tree:
    left: 'Tree'
print(typing.get_type_hints(Tree))
