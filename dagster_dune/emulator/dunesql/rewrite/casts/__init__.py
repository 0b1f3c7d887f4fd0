"""CAST, and the coercions that need none: how a value gets from one type to another, by the type that it becomes."""
