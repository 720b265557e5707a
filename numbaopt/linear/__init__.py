"""Small dense linear algebra for solvers, without allocation: what LAPACK would spend more time entering than doing."""
