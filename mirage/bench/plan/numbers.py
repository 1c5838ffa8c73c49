"""How a plan's numbers are written: to two digits that count, for it is no more exact."""


def rounded(value: float) -> str:
    """Write a number to two digits that count."""
    short = float(f"{value:.2g}")
    return f"{short:,.0f}" if abs(short) >= 10 else f"{short:g}"
