"""`python -m sunhwan`."""

from sunhwan.cli import main

main()
