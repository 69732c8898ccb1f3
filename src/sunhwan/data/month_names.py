"""Names of months in the languages that tables of dates have them in, in full and as they are shortened."""

from collections.abc import Iterable

# fmt: off
_NAMES = (
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre Novembre Décembre",
    "Janv. Févr. Mars Avr. Mai Juin Juil. Août Sept. Oct. Nov. Déc.",
    "Enero Febrero Marzo Abril Mayo Junio Julio Agosto Septiembre Octubre Noviembre Diciembre",
    "Ene Feb Mar Abr May Jun Jul Ago Sep Oct Nov Dic",
    "Ene Feb Mar Abr May Jun Jul Ago Sept Oct Nov Dic",
    "Gennaio Febbraio Marzo Aprile Maggio Giugno Luglio Agosto Settembre Ottobre Novembre Dicembre",
    "Gen Feb Mar Apr Mag Giu Lug Ago Set Ott Nov Dic",
    "Janeiro Fevereiro Março Abril Maio Junho Julho Agosto Setembro Outubro Novembro Dezembro",
    "Jan Fev Mar Abr Mai Jun Jul Ago Set Out Nov Dez",
)
# fmt: on
_TABLES = tuple(tuple(names.split()) for names in _NAMES)
ENGLISH = _TABLES[:3]
"""In full, and shortened in two ways."""

MONTH_NUMBERS = {
    name.rstrip(".").lower(): number for table in _TABLES for number, name in enumerate(table, 1)
}
"""The names in lower case, without a dot, → the number of the month."""


def month_names(found: Iterable[str]) -> tuple[str, ...]:
    """The twelve names that a column of dates uses, by those in it, in any case and with or without dots.

    They are those of the first table that has all; May alone is taken for a short one. Dots stand as in the
    column: behind all names, behind none, or behind those that are shortened.
    """
    given = {name.lower() for name in found}
    plain = {name.rstrip(".") for name in given}
    tables = _TABLES[1:] if plain == {"may"} else _TABLES
    table = next((t for t in tables if plain <= {n.rstrip(".").lower() for n in t}), _TABLES[1])
    dotted = {name.endswith(".") for name in given}
    if len(dotted) > 1:
        return table
    return tuple(name.rstrip(".") + "." * (True in dotted) for name in table)
