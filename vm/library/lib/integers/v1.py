"""Whole numbers: square root, greatest common divisor, bounds."""
from vm import require


def bit_length(n: int) -> int:
    """How many bits |n| takes; 0 takes none."""
    rest = abs(n)
    bits = 0
    for step in [128, 64, 32, 16, 8, 4, 2, 1]:
        if rest >> step > 0:
            rest = rest >> step
            bits += step
    return bits + (1 if rest > 0 else 0)


def sqrt_down(n: int) -> int:
    """The largest r with r * r <= n; reverts `negative` below 0."""
    require(n >= 0, "negative")
    if n < 2:
        return n
    # From above, Newton's steps fall until they reach the root.
    root = 1 << (bit_length(n) + 1) // 2
    lower = (root + n // root) // 2
    while lower < root:
        root = lower
        lower = (root + n // root) // 2
    return root


def sqrt_up(n: int) -> int:
    """The smallest r >= 0 with r * r >= n."""
    root = sqrt_down(n)
    return root if root * root == n else root + 1


def gcd(a: int, b: int) -> int:
    """The greatest common divisor, at least 0."""
    x = abs(a)
    y = abs(b)
    while y > 0:
        x, y = y, x % y
    return x


def clamp(value: int, low: int, high: int) -> int:
    """`value`, or the bound that it passes; reverts `bad-bounds` when low > high."""
    require(low <= high, "bad-bounds")
    return max(low, min(value, high))
