"""The demo: every example of joining and paying by SMS on a system of its own, beside what was expected."""
