"""The seam between the core and providers: facets, calls, contexts, hooks."""
