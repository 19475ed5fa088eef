"""Labels that try to become part of the page."""

EVIL = "<script>alert('x')</script>"
CLASSES = ("ant & co", '"><img src=x onerror=alert(1)>', EVIL)
