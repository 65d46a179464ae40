"""What is said of a mistyped name."""

from __future__ import annotations

from colles.core.names import suggest


def test_the_nearest_name_is_offered_else_what_there_is() -> None:
    assert suggest("gradcan", ["gradcam", "occlusion"], "Known: two") == "Did you mean 'gradcam'?"
    assert suggest("xyz", ["gradcam", "occlusion"], "Known: two") == "Known: two"
