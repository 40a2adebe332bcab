from shop.catalogue import price


def test_price() -> None:
    assert price("sencha") == 380
