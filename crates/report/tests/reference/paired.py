"""Paired t-tests by SciPy, for crates/report/src/paired.rs.

    python paired.py > ../data/paired.json
"""

import json

import numpy
from scipy import stats

random = numpy.random.default_rng(5)
cases = []
for n in (2, 3, 4, 5, 8, 10, 30, 200):
    for shift in (0.0, 0.001, 0.02, 0.3, -0.5):
        a = random.uniform(0.5, 0.9, n)
        b = a + shift + random.normal(0, 0.01, n)
        a, b = [round(float(x), 4) for x in a], [round(float(x), 4) for x in b]
        result = stats.ttest_rel(b, a)
        difference = numpy.subtract(b, a)
        cases.append({
            "a": a, "b": b, "mean": float(difference.mean()), "deviation": float(difference.std(ddof=1)),
            "t": float(result.statistic), "df": int(result.df), "p": float(result.pvalue),
        })
print("[")
print(",\n".join(json.dumps(case) for case in cases))
print("]")
