"""Kelly's fraction of a single bet that can push."""


def edge(probability: float, price: float) -> float:
    """Expected return per unit staked at decimal odds, given no push.

    >>> round(edge(0.56, 1 + 100 / 110), 4)
    0.0691
    """
    return probability * price - 1.0


def kelly_fraction(probability: float, price: float) -> float:
    """Growth-optimal share of the bankroll, 0 without an edge.

    probability: of winning given no push. With p and q the chances to win and lose and a push
    for the rest, f = (p b - q) / (b (p + q)); dividing by p + q leaves the familiar formula of
    the probabilities given no push. Kelly (1956), "A New Interpretation of Information Rate".

    >>> round(kelly_fraction(0.56, 1 + 100 / 110), 3)
    0.076
    """
    gain = price - 1.0
    return max(edge(probability, price) / gain, 0.0)
