"""What happened: events, the transactional store, the Merkle log, receipts, the offline verifier."""
