"""A campaign: one action on a frozen set of dead letters, carefully: canaries first, paced, stopping by itself.

    LISTING → PLANNED → RUNNING ⇄ PAUSED
                 ↘         ↓  ⇅
               STOPPED ← FAILING      RUNNING → DONE

It is driven by the control room, not by a terminal: the set is in rows (`replay_letter`), the counters are the state
(`replay_campaign`), every order and every turn is a row (`replay_campaign_step`), the letters that were asked for
together, and those of them that ended alike, are one each (`dead_letter_action`). Steps of 1, 10 and 100 are canaries:
each must be processed whole, without a failure, before the next begins. Then 1,000 letters may be on their way at once,
four requests of 250, and more than `max_failures` in a step of 1,000 stop it.
"""
