"""A head-end and a home to try the box with: channels, guide, devices."""
