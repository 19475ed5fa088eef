"""From results to a page: grids of means, tables, drawings."""
