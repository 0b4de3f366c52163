import pytest

from service.web.uploads.form import base_name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("/srv/nc/tmp/oc_tmp_6fbe56", "oc_tmp_6fbe56"),
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("folder/", ""),
        ("", ""),
        ("Straße, 写真.jpg", "Straße, 写真.jpg"),
        ("a%22b%22.jpg", 'a"b".jpg'),
        ("100%2F.jpg", "100%2F.jpg"),
        ("back\\slash.jpg", "back\\slash.jpg"),
    ],
)
def test_takes_the_base_name_of_a_path(sent: str, name: str) -> None:
    assert base_name(sent) == name
