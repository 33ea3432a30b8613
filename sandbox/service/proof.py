"""The store is what its log says: catalog, ledger, published files, tokens, made again from the entries."""

from __future__ import annotations

from typing import Protocol

from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.catalog.proof import CatalogProof
from sandbox.policy.proof import FilesProof
from sandbox.privacy.proof import LedgerProof
from sandbox.service.tokens import TokensProof


class _Proof(Protocol):
    def take(self, entry: Entry) -> None: ...

    def check(self) -> None: ...


def check_against_log(store: Store) -> None:
    """Compare the store with its log, in one pass over all entries, as both are at one moment.

    Raises:
        SandboxError: LOG_CORRUPT when the entries are not those that were signed; STORAGE_CORRUPT when the
            store is not what they say.

    """
    proofs: tuple[_Proof, ...] = (
        CatalogProof(store),
        LedgerProof(store),
        FilesProof(store),
        TokensProof(store),
    )
    try:
        with store.moment():
            for entry in store.proved():
                for proof in proofs:
                    proof.take(entry)
            for proof in proofs:
                proof.check()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise altered("A line of the store is not of the form in which it was written.") from None
