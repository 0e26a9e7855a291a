"""Records pulled from HTTP APIs: asked politely, page by page, kept byte for byte."""
