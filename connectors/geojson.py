"""GeoJSON: the features of a collection as rows: `id`, properties, geometry, bounding box."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.geometry import geometry_cells
from connectors.json_document import JsonDocument


def feature_cells(feature: Mapping[str, object]) -> dict[str, object]:
    """The columns of a feature; `id` is `feature_id` where a property has that name.

    Raises:
        ValueError: it is no feature.

    """
    properties = feature.get("properties")
    if feature.get("type") != "Feature" or not isinstance(properties, dict | None):
        raise ValueError("not a feature")
    cells: dict[str, object] = dict(properties or {})
    if "id" in feature:
        cells = {"feature_id" if "id" in cells else "id": feature["id"], **cells}
    return cells | geometry_cells(feature.get("geometry"))


class GeoJsonFile(JsonDocument):
    """One GeoJSON file."""

    def array(self) -> str:
        """The features."""
        return self._options.path or "features"

    def flat(self, found: Mapping[str, object]) -> Mapping[str, object]:
        """The columns of a feature."""
        return feature_cells(found)
