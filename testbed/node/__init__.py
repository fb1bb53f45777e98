"""Nodes that run pods as local processes."""
