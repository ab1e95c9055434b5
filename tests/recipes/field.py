"""A field of leaderboard.csv and of the data frame, after those that are there."""

import baserate as br


@br.field("width", float)
def width(line):
    estimate = line.estimate
    return None if estimate is None or estimate.low is None else estimate.high - estimate.low
