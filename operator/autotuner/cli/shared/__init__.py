"""What commands share: their options, the connection to a cluster, and how they print."""
