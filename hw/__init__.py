"""Everything that touches a device of the box."""
