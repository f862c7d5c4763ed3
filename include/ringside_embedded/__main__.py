"""`python -m ringside_embedded`."""

from ringside_embedded.commands import main

main()
