"""How the prefetch follows the size of what comes."""

from shared.worker.appetite import Appetite

MB = 1_000_000


def test_small_messages_leave_the_prefetch_whole() -> None:
    appetite = Appetite(512, 32 * MB)
    for _ in range(1_000):
        appetite.saw(20_000)
    assert appetite.prefetch == 512
    assert not appetite.outgrew(512)


def test_huge_message_narrows_it_at_once_and_is_forgotten_after_small_ones() -> None:
    appetite = Appetite(512, 32 * MB)
    appetite.saw(16 * MB)
    assert appetite.prefetch == 2
    assert appetite.outgrew(512)
    seen = 0
    while appetite.prefetch < 512:
        appetite.saw(2_000)
        seen += 1
    assert 500 < seen < 2_000


def test_message_larger_than_all_memory_still_comes_one_at_a_time() -> None:
    appetite = Appetite(512, 32 * MB)
    appetite.saw(100 * MB)
    assert appetite.prefetch == 1


def test_large_packs_leave_the_rest_to_other_replicas_and_are_soon_forgotten() -> None:
    appetite = Appetite(512, 32 * MB)
    for _ in range(50):
        appetite.opened(256)
    assert appetite.prefetch == 16
    for _ in range(100):
        appetite.opened(1)
    assert appetite.prefetch > 256
