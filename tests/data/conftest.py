from hypothesis import settings

# No deadline: the machines that run this are shared, and slow is not wrong.
settings.register_profile("shared", deadline=None, max_examples=50)
settings.load_profile("shared")
