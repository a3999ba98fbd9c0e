"""What several studies use: pairs and tables of data, embeddings kept, intervals, words and tables of a page."""
