"""Looking at dead letters: choosing, listing, grouping, showing, exporting. It reads the database and nothing else.

`choice` says what can be chosen by, `store` finds it, `commands` are the command line, `view` what it prints.
"""
