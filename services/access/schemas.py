"""The shapes of JSON and forms. They check form and type; the rules are in `domain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from services.access.domain import organisations as rules
from services.access.domain.organisations import Figures, OrganisationKind, Profile, Seat, Sector, SizeClass
from services.access.domain.people import LANGUAGES, PASSWORD_MAX, PASSWORD_MIN
from shared.auth import Role, RoleName
from shared.fields import Cents, Choice, EmailAddress, Id, Slug, Text, Whole
from shared.web.paging import PageQuery, page_schema

LARGEST_STAFF = 10_000_000
LARGEST_SUM = 10**15  # cents
DEFAULT_NUTS = rules.NUTS_VERSIONS[-1]


def needed(words: str) -> dict[str, Any]:
    """Settings of a field that must be there, and what to say when it is not."""
    return {"required": True, "error_messages": {"required": words, "null": words}}


class Password(fields.String):
    """Any characters, kept as they are typed; only what is no text at all is refused."""

    def __init__(self, minimum: int = 1, **settings: Any) -> None:
        settings["metadata"] = {"format": "password"}
        length = validate.Length(minimum, PASSWORD_MAX, error="Use between {min} and {max} characters.")
        super().__init__(validate=length, **settings)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
            raise ValidationError("This contains characters that nobody can type.")
        return text


# Tokens and sessions


class SignInSchema(Schema):
    email = EmailAddress(**needed("Enter your e-mail address."))
    password = Password(**needed("Enter your password."))


class RefreshSchema(Schema):
    refresh_token = Text(1, 200, required=True)


class TokensSchema(Schema):
    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds"})
    refresh_token = fields.String(required=True, metadata={"description": "Good for one renewal"})


class SessionSchema(Schema):
    id = fields.UUID(required=True)
    client = fields.String(required=True, attribute="client_name")
    created_at = fields.AwareDateTime(required=True)
    last_used_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True)


# People


class ChangePersonSchema(Schema):
    name = Text(1, 120)
    language = fields.String(validate=validate.OneOf(LANGUAGES))


class ChangePasswordSchema(Schema):
    present_password = Password(**needed("Repeat your present password."))
    password = Password(PASSWORD_MIN, **needed("Enter a new password."))


class NewPersonSchema(Schema):
    name = Text(1, 120, **needed("Enter a name."))
    email = EmailAddress(**needed("Enter an e-mail address."))
    password = Password(PASSWORD_MIN, **needed("Choose a password."))
    language = fields.String(validate=validate.OneOf(LANGUAGES), load_default="en")


class RoleSchema(Schema):
    """A role with the id of the organisation or facility, or the slug of the region, that it is of."""

    role = Choice(RoleName, **needed("Choose a role."))
    scope = Text(0, 80, load_default="")

    @post_load
    def as_role(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `people.grant_role`."""
        name, scope = data["role"], data["scope"]
        try:
            return {"role": Role(name, _scope(name, scope))}
        except ValidationError as error:
            raise ValidationError({"scope": error.messages}) from None


def _scope(name: RoleName, scope: str) -> str:
    """The scope as roles of this name have it."""
    match name:
        case RoleName.ADMINISTRATOR:
            if scope:
                raise ValidationError("An administrator is one of the whole installation: leave this empty.")
            return scope
        case RoleName.FUNDER:
            return str(Slug().deserialize(scope))
        case _:
            return str(Id().deserialize(scope))


class PersonSchema(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    language = fields.String(required=True)
    active = fields.Boolean(required=True)


class PersonWithRolesSchema(PersonSchema):
    roles = fields.List(fields.String(), required=True)


class PeopleQuery(PageQuery):
    q = Text(0, 100, load_default="")


# Organisations


class SizeSchema(Schema):
    """What a firm declares of one year: its own figures and those of partner and linked firms."""

    year = Whole(1, 9999, **needed("Enter the year of the accounts."))
    staff = Whole(
        0,
        LARGEST_STAFF,
        **needed("Enter the staff in annual work units."),
        metadata={"description": "Whole annual work units"},
    )
    turnover_cents = Cents(0, LARGEST_SUM, allow_none=True, load_default=None)
    balance_cents = Cents(0, LARGEST_SUM, allow_none=True, load_default=None)

    @post_load
    def as_figures(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `organisations.declare_size`."""
        return {"figures": Figures(**data)}


class ProfileSchema(Schema):
    """What an organisation is, where it is seated, and what it does."""

    kind = Choice(OrganisationKind, **needed("Choose what the organisation is."))
    country = Text(2, 2, **needed("Choose a country."), metadata={"description": "ISO 3166-1 alpha-2"})
    nuts_code = Text(
        2,
        5,
        **needed("Enter the code of the region, or the two letters of the country."),
        metadata={"description": "Region where it is seated"},
    )
    nuts_version = Whole(2003, 2100, load_default=DEFAULT_NUTS)
    nace_code = Text(1, 6, allow_none=True, load_default=None)
    nace_revision = fields.String(validate=validate.OneOf(rules.NACE_REVISIONS), allow_none=True, load_default=None)


class NewOrganisationSchema(ProfileSchema):
    name = Text(1, 200, **needed("Enter the name of the organisation."))

    @post_load
    def as_profile(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `organisations.add_organisation`."""
        return {"organisation": _profile(data, name=data["name"])}


class ChangeOrganisationSchema(Schema):
    """What is not sent stays as it is."""

    name = Text(1, 200)
    kind = Choice(OrganisationKind)
    country = Text(2, 2)
    nuts_code = Text(2, 5)
    nuts_version = Whole(2003, 2100)
    nace_code = Text(1, 6, allow_none=True)
    nace_revision = fields.String(validate=validate.OneOf(rules.NACE_REVISIONS), allow_none=True)

    @post_load
    def in_capitals(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `organisations.change_organisation`."""
        capitals = {name: data[name].upper() for name in ("country", "nuts_code") if name in data}
        return data | capitals


class RegistrationSchema(NewPersonSchema, ProfileSchema):
    """A person and their organisation. A firm may declare its size at once, or later."""

    organisation_name = Text(1, 200, **needed("Enter the name of your organisation."))
    size = fields.Nested(SizeSchema, allow_none=True, load_default=None)

    @post_load
    def as_arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `organisations.register`."""
        person = {name: data[name] for name in ("name", "email", "password", "language")}
        figures = (data["size"] or {}).get("figures")
        return person | {"organisation": _profile(data, name=data["organisation_name"], figures=figures)}


def _profile(data: dict[str, Any], *, name: str, figures: Figures | None = None) -> Profile:
    return Profile(
        name=name,
        kind=data["kind"],
        seat=Seat(data["country"].upper(), data["nuts_code"].upper(), data["nuts_version"]),
        sector=Sector(data["nace_code"], data["nace_revision"]),
        figures=figures,
    )


class OrganisationSchema(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    kind = fields.Enum(OrganisationKind, by_value=True, required=True)
    size_class = fields.Enum(SizeClass, by_value=True, required=True, allow_none=True)
    country = fields.String(required=True)
    nuts_code = fields.String(required=True)
    nuts_version = fields.Integer(required=True)
    nace_code = fields.String(required=True, allow_none=True)
    nace_revision = fields.String(required=True, allow_none=True)
    active = fields.Boolean(required=True)


class SizeDeclarationSchema(Schema):
    id = fields.UUID(required=True)
    year = fields.Integer(required=True)
    staff = fields.Integer(required=True)
    turnover_cents = fields.Integer(required=True, allow_none=True)
    balance_cents = fields.Integer(required=True, allow_none=True)
    size_class = fields.Enum(SizeClass, by_value=True, required=True)
    declared_by = fields.UUID(required=True)
    declared_at = fields.AwareDateTime(required=True)


class NewMemberSchema(Schema):
    email = EmailAddress(**needed("Enter the e-mail address of your colleague."))
    admin = fields.Boolean(load_default=False, truthy={True, "1"}, falsy={False})


class MemberSchema(Schema):
    person_id = fields.UUID(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    active = fields.Boolean(required=True)
    is_admin = fields.Boolean(required=True)
    since = fields.AwareDateTime(required=True)


class OrganisationsQuery(PageQuery):
    q = Text(0, 100, load_default="")


# Oneself


class HeldRoleSchema(Schema):
    role = fields.Enum(RoleName, by_value=True, required=True)
    scope = fields.String(required=True)
    scope_name = fields.String(required=True, allow_none=True)


class MeSchema(Schema):
    person = fields.Nested(PersonSchema, required=True)
    organisations = fields.List(fields.Nested(OrganisationSchema), required=True)
    roles = fields.List(fields.Nested(HeldRoleSchema), required=True)


PeoplePage = page_schema(PersonWithRolesSchema)
OrganisationsPage = page_schema(OrganisationSchema)
