"""What runs today, read so that it can be copied and tuned: its engine, its arguments, its pod."""
