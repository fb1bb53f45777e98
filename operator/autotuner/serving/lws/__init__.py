"""The backend LeaderWorkerSet: an engine over several pods, as copies of a set that serves already."""
