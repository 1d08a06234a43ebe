"""Images and videos to ask about: as files, and inside a request."""
