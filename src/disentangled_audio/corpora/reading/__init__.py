"""Reading of a corpus: decoding, clips, rejected files and integrity."""
