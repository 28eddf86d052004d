"""The upstream systems that carry texts to phones, one file each."""
