"""A question's journey, one file per step; `pipeline` is the order on one screen."""
