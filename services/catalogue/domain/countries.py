"""Countries as regions: what is outside the regions of an installation is filed under its country."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    code: str  # ISO 3166-1 alpha-2
    name: str
    time_zone: str  # of the capital, where a country has several
    languages: tuple[str, ...]


def _country(code: str, name: str, time_zone: str, languages: str) -> Country:
    return Country(code, name, time_zone, tuple(languages.split()))


COUNTRIES = {
    country.code: country
    for country in (
        _country("AL", "Albania", "Europe/Tirane", "sq"),
        _country("AT", "Austria", "Europe/Vienna", "de"),
        _country("BA", "Bosnia and Herzegovina", "Europe/Sarajevo", "bs hr sr"),
        _country("BE", "Belgium", "Europe/Brussels", "nl fr de"),
        _country("BG", "Bulgaria", "Europe/Sofia", "bg"),
        _country("CA", "Canada", "America/Toronto", "en fr"),
        _country("CH", "Switzerland", "Europe/Zurich", "de fr it"),
        _country("CY", "Cyprus", "Asia/Nicosia", "el tr"),
        _country("CZ", "Czechia", "Europe/Prague", "cs"),
        _country("DE", "Germany", "Europe/Berlin", "de"),
        _country("DK", "Denmark", "Europe/Copenhagen", "da"),
        _country("EE", "Estonia", "Europe/Tallinn", "et"),
        _country("ES", "Spain", "Europe/Madrid", "es"),
        _country("FI", "Finland", "Europe/Helsinki", "fi sv"),
        _country("FR", "France", "Europe/Paris", "fr"),
        _country("GB", "United Kingdom", "Europe/London", "en"),
        _country("GE", "Georgia", "Asia/Tbilisi", "ka"),
        _country("GR", "Greece", "Europe/Athens", "el"),
        _country("HR", "Croatia", "Europe/Zagreb", "hr"),
        _country("HU", "Hungary", "Europe/Budapest", "hu"),
        _country("IE", "Ireland", "Europe/Dublin", "en ga"),
        _country("IL", "Israel", "Asia/Jerusalem", "he"),
        _country("IS", "Iceland", "Atlantic/Reykjavik", "is"),
        _country("IT", "Italy", "Europe/Rome", "it"),
        _country("LI", "Liechtenstein", "Europe/Vaduz", "de"),
        _country("LT", "Lithuania", "Europe/Vilnius", "lt"),
        _country("LU", "Luxembourg", "Europe/Luxembourg", "lb fr de"),
        _country("LV", "Latvia", "Europe/Riga", "lv"),
        _country("MD", "Moldova", "Europe/Chisinau", "ro"),
        _country("ME", "Montenegro", "Europe/Podgorica", "sr"),
        _country("MK", "North Macedonia", "Europe/Skopje", "mk"),
        _country("MT", "Malta", "Europe/Malta", "mt en"),
        _country("NL", "Netherlands", "Europe/Amsterdam", "nl"),
        _country("NO", "Norway", "Europe/Oslo", "no"),
        _country("PL", "Poland", "Europe/Warsaw", "pl"),
        _country("PT", "Portugal", "Europe/Lisbon", "pt"),
        _country("RO", "Romania", "Europe/Bucharest", "ro"),
        _country("RS", "Serbia", "Europe/Belgrade", "sr"),
        _country("SE", "Sweden", "Europe/Stockholm", "sv"),
        _country("SI", "Slovenia", "Europe/Ljubljana", "sl"),
        _country("SK", "Slovakia", "Europe/Bratislava", "sk"),
        _country("TR", "Türkiye", "Europe/Istanbul", "tr"),
        _country("UA", "Ukraine", "Europe/Kyiv", "uk"),
        _country("US", "United States", "America/New_York", "en"),
    )
}
