"""An API server within this process; a conformance test holds it to a real one in all that controllers rely on.

`api.MemoryApi` is what controllers get, `store.Store` what it keeps and a simulation drives.
"""
