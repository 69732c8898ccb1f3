"""`sunhwan settings`."""

from sunhwan.cli.output import echo


def settings() -> None:
    """List every setting that --set and a --config file take, with its default."""
    from sunhwan import config

    section = ""
    for setting in config.settings():
        name, _, key = setting.name.partition(".")
        if name != section:
            echo(f"{'' if not section else chr(10)}[{name}]")
            section = name
        choices = f" ({', '.join(map(repr, setting.choices))})" if setting.choices else ""
        echo(f"# {setting.help}{choices}")
        echo(f"{key} = {toml_value(setting.default)}")


def toml_value(value: object) -> str:
    """A default as TOML writes it."""
    import tomli_w

    if isinstance(value, tuple):
        value = list(value)
    return tomli_w.dumps({"v": value}, multiline_strings=False).split("=", 1)[1].strip()
