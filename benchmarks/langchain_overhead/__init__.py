"""What routing adds to a call in LangChain."""
