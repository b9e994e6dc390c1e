"""Places of letters as text: whatever they are, they come back."""

from hypothesis import given
from hypothesis import strategies as st

from services.control_room.campaign.places import read, written
from services.control_room.campaign.state import Campaign


@given(st.frozensets(st.integers(min_value=0, max_value=3000)))
def test_places_come_back_as_they_were(places: frozenset[int]) -> None:
    assert read(written(places)) == places


def test_thousand_on_their_way_are_a_few_characters_of_the_state() -> None:
    campaign = Campaign(campaign_id="c", open=frozenset(range(500, 1500)) - {700})
    said = campaign.model_dump_json(exclude_none=True)
    assert '"open":"500-699,701-1499"' in said
    assert Campaign.model_validate_json(said) == campaign


def test_list_that_an_earlier_release_wrote_is_read() -> None:
    assert Campaign.model_validate_json('{"campaign_id": "c", "open": [3, 1]}').open == {1, 3}
