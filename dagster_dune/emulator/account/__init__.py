"""What the local Dune's team owns: queries with their parameters, matviews with their schedules, uploads."""
