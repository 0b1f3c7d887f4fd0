"""The settings of an object: its parameters, partitions, automation and checks. `catalog.objects` uses them."""
