"""One run of one pipeline: plan it, submit it, follow it until every node has settled."""
