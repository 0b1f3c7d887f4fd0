"""What goes wrong on demand: with requests, in the middleware, and with executions."""
