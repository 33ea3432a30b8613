"""Privacy loss: units, mechanisms (OpenDP), accountant, ledger."""
