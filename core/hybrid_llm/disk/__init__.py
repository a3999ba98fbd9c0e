"""Folders on disk that are whole at every moment, whatever interrupts their writing and whoever reads meanwhile."""

from hybrid_llm.disk.kind import Kind, foreign_files
from hybrid_llm.disk.reading import steadily
from hybrid_llm.disk.writing import claimed, whole_folder

__all__ = ["Kind", "claimed", "foreign_files", "steadily", "whole_folder"]
