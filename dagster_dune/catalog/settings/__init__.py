"""What can be set for an object: its parameters, partitions, automation and checks. `catalog.objects` comes next."""
