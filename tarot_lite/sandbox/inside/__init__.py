"""What runs on the other side of the wall: the fork server ("zygote") and its children.

These modules are loaded by a clean interpreter (``python -S -s -P``) as the package ``inside`` and import
nothing but the standard library and each other.  Nothing here ever sees an expected output.
"""
