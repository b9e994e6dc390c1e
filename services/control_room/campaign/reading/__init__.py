"""What people read of campaigns: how far they are, what failed, what was edited."""
