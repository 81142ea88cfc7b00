from streamscribe_client.liveness import LOOKS_PER_HEARTBEAT, MISSED_HEARTBEATS, Liveness


def looked(liveness: Liveness, heartbeats: float) -> Liveness:
    for _ in range(round(heartbeats * LOOKS_PER_HEARTBEAT)):
        liveness.look()
    return liveness


def test_a_server_is_gone_after_three_heartbeats_without_a_word() -> None:
    liveness = Liveness()
    assert not looked(liveness, MISSED_HEARTBEATS - 0.5).server_is_gone
    assert looked(liveness, 0.5).server_is_gone


def test_any_message_is_a_sign_of_life() -> None:
    liveness = looked(Liveness(), 2.5)
    liveness.server_spoke()
    assert not looked(liveness, 2.5).server_is_gone


def test_a_client_that_sent_nothing_for_a_heartbeat_says_that_it_is_there() -> None:
    liveness = looked(Liveness(), 0.5)
    assert not liveness.keep_alive_is_due
    assert looked(liveness, 0.5).keep_alive_is_due
    liveness.client_spoke()
    assert not liveness.keep_alive_is_due
