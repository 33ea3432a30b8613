"""Web pages at the hub: who one is, what one may do, and what there is to see of it."""
