"""Floor 3: influence estimators: one estimator, many curvature solvers."""
