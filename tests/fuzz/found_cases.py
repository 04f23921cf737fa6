"""Cases that once failed, shrunk: name -> the line that the campaign printed.

A case that fails is mended and stays here; it is never left out.
"""

FOUND: dict[str, str] = {
    # Under python -bb the VM said internal, where all others said ok; it now refuses to start.
    "text and bytes as keys of one dict": (
        "((('main', 'from vm import export\\n@export\\ndef f() -> int:\\n"
        "    d = {\\'k\\': 1, b\\'k\\': 2}\\n"
        "    return d[b\\'k\\'] + len(d)\\n', []),), ((0, 100000, [('main', 'f', [])]),))"
    ),
    # The reference had Python's rule (the name is not bound yet), the VM reads the constant.
    "a second loop over the constant that its name hides": (
        "((('main', 'from vm import export\\nJ = [1, 2]\\n@export\\ndef f() -> list[int]:\\n"
        "    return [J for i in [0, 0] for J in J]\\n', []),), ((0, 100000, [('main', 'f', [])]),))"
    ),
}
