"""The only package that opens sockets, reads clocks, sleeps."""
