"""PURE: what a campaign does when it is ordered and steered (`turns`), called to its next step and answered (`steps`),
and when it asks what replays would do (`inspection`)."""
