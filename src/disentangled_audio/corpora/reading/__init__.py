"""From files to samples: decoding, chunks, rejected files, integrity."""
