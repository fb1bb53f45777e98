"""The backend that needs no serving product: a Deployment and a Service of our own."""
