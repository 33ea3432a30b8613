"""The wrapped data keys beside a data file: exactly what was written there, or none at all.

Their file is rewritten when keys are rotated, so the catalog holds no digest of it. Instead every byte of it
must be one that is written there: the names of PyArrow's key material with the values that it gives them, in
compact JSON (or all of it with spaces, as rotations once wrote it), and data keys that the key which they
name has wrapped, also those that no question needs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sandbox.vault.keyring import GRADES, Grade, Keyring
from sandbox.vault.wrap import UnwrapError, unwrap

FOOTER = "footerKey"
_ENTRY = {"keyMaterialType": "PKMT1", "isFooterKey": False, "doubleWrapping": False}
_FOOTER = {**_ENTRY, "isFooterKey": True, "kmsInstanceID": "DEFAULT", "kmsInstanceURL": "DEFAULT"}
_WRAPPED = ("masterKeyID", "wrappedDEK")


def read_material(content: bytes) -> dict[str, dict[str, Any]]:
    """The entries of key material, by name.

    Raises:
        ValueError: it is not what is written.

    """
    try:
        material: Mapping[str, str] = json.loads(content)
        entries = {name: json.loads(text) for name, text in material.items()}
        written = content in (written_material(entries), _spaced(entries))
    except (AttributeError, TypeError, RecursionError):
        raise ValueError("no key material") from None
    if not written or set(entries) != {FOOTER, *(f"columnKey{place}" for place in range(len(entries) - 1))}:
        raise ValueError("not as it is written")
    for name, entry in entries.items():
        fixed = {key: value for key, value in entry.items() if key not in _WRAPPED}
        if fixed != (_FOOTER if name == FOOTER else _ENTRY) or any(
            not isinstance(entry.get(key), str) for key in _WRAPPED
        ):
            raise ValueError("no entry of key material")
    return entries


def written_material(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The one text of key material."""
    return _json({name: _json(entry) for name, entry in entries.items()}).encode()


def material_is_sound(path: Path, keyring: Keyring, dataset: str, grades: Collection[Grade]) -> bool:
    """Whether the key material at `path` is whole, as far as the keys of `grades` tell."""
    known, held = (tuple(f"{dataset}/{one}/" for one in classes) for classes in (GRADES, grades))
    for _ in range(2):  # a rotation may end between reading it and asking for the key that it names
        try:
            entries = read_material(path.read_bytes())
            for entry in entries.values():
                name = entry["masterKeyID"]
                if not name.startswith(known):
                    return False
                if name.startswith(held):
                    unwrap(keyring.key_by_id(name), entry["wrappedDEK"], name)
        except KeyError:
            continue
        except (OSError, ValueError, UnwrapError):
            return False
        return True
    return False


def _spaced(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    return json.dumps({name: json.dumps(entry) for name, entry in entries.items()}).encode()


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
