"""Geometries as columns: WKB in hexadecimal (ISO, little endian) and the bounding box.

Coordinates stay in the reference system of the source; nothing is transformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import shapely
import shapely.geometry

GEOMETRY_COLUMNS = ("geometry", "min_x", "min_y", "max_x", "max_y")


def geometry_cells(found: object) -> dict[str, object]:
    """The five columns of a GeoJSON-like geometry; all null where there is none.

    Raises:
        ValueError: it is no geometry.

    """
    if found is None:
        return dict.fromkeys(GEOMETRY_COLUMNS)
    if not isinstance(found, Mapping):
        raise ValueError("not a geometry")
    try:
        shape: Any = shapely.geometry.shape(_plain(found))
        wkb = shapely.to_wkb(shape, hex=True, byte_order=1, flavor="iso")
        box = [None] * 4 if shape.is_empty else [repr(float(bound)) for bound in shape.bounds]
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise ValueError("not a geometry") from None
    if any(bound in ("nan", "inf", "-inf") for bound in box):
        raise ValueError("not a geometry")
    return dict(zip(GEOMETRY_COLUMNS, (wkb, *box), strict=True))


def numbers(found: object) -> object:
    """A geometry whose coordinates were read as texts, with numbers in their place.

    Raises:
        ValueError: they are none.

    """
    if isinstance(found, Mapping):
        return {key: numbers(inner) if key != "type" else inner for key, inner in found.items()}
    if isinstance(found, list):
        return [numbers(inner) for inner in found]
    return float(found) if isinstance(found, str) else found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
