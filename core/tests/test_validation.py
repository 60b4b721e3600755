"""What no provider would take is refused before anything is sent, and the field is named."""

import pytest

from purveyor import InstanceSpec, ValidationError
from purveyor.policy.validation import validate_spec

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X me"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_data", "#!/bin/sh\0"),
        ("user_data", "half \ud800"),
        ("tags", ["half\udfff"]),
        ("tags", ["nul\0"]),
        ("ssh_keys", [f"{KEY}\ud800"]),
        ("ssh_keys", [f"{KEY}\0"]),
    ],
)
def test_what_is_no_text(field, value):
    with pytest.raises(ValidationError) as caught:
        validate_spec(InstanceSpec(name="web", plan="s", image="i", **{field: value}))
    assert caught.value.field == field
    str(caught.value).encode()


def test_any_other_text_is_left_to_the_provider():
    validate_spec(
        InstanceSpec(name="web", plan="s", image="i", user_data="#cloud-config\n\t😀", ssh_keys=[KEY])
    )
