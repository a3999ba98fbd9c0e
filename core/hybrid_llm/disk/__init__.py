"""Folders and files that are whole at every moment, whatever interrupts their writing and whoever reads meanwhile."""

from hybrid_llm.disk.file import remove_parts, whole_file
from hybrid_llm.disk.kind import Kind, foreign_files
from hybrid_llm.disk.reading import steadily
from hybrid_llm.disk.refusal import as_ours
from hybrid_llm.disk.writing import claimed, whole_folder

__all__ = ["Kind", "as_ours", "claimed", "foreign_files", "remove_parts", "steadily", "whole_file", "whole_folder"]
