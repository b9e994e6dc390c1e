"""The mixed scenario: orders of named cases, each with its expected end, and an audit that compares.

suppliers  who sells what there, and in which manner     stores      the shops and their settings
cases      the cases: what is published, and when        expected    how each must end
stage      publishes an order's later messages on cue    audit       expected against found
"""
