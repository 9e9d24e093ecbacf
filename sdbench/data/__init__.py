"""What goes into a sweep: prompt sets and real images."""
