"""Pure functions on arrays of scores and group ids: intervals, paired tests, margins, multiplicity, power."""
