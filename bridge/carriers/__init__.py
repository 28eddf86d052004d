"""The upstream systems that carry texts to phones: a file or a folder for each."""
